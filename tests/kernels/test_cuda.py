"""CUDA kernels without a GPU: in numba's simulator, against the CPU's kernels on the same draws.

`cuda_simulator.py` runs once, in a process of its own, because numba reads NUMBA_ENABLE_CUDASIM on import.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import adasde.cuda
from adasde.cli import main
from adasde.cuda import DeviceRun, require_gpu, simulate_on_gpu
from adasde.errors import InvalidParameter, MissingData, NoModel
from adasde.kernels import normals, special, statistics
from adasde.kernels.cuda.device.numbers import empirical_numbers, mixture_numbers, two_point_numbers
from adasde.kernels.lanes import StepKernel, field_kernel, value_kernel
from adasde.losses.base import Loss
from adasde.noise import Noise, empirical, mixture
from adasde.optimizers import CHECKED_IN, models, names
from adasde.plan import plan
from adasde.run import Run
from adasde.simulation import simulate

ROUNDING = {"float64": 1e-13, "float32": 2e-6}
"""Differences that a handful of steps may gather from rounding, relative to 1 + |x|: 450 and 17 units."""

BUCKET = {"float64": 0.0, "float32": 1 / 64}
"""Relative differences of quantiles: rounding may put a loss into the next bucket."""


@pytest.fixture(scope="module")
def simulated(own_cache: None) -> dict[str, Any]:
    """What the simulator found."""
    return in_simulator()


def in_simulator(*sections: str) -> dict[str, Any]:
    """What the simulator finds, in all its sections but those that take minutes."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    program = Path(__file__).with_name("cuda_simulator.py")
    done = subprocess.run([sys.executable, str(program), *sections], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_known_answers(simulated: dict[str, Any]) -> None:
    """The generator on 32-bit words is the published one: Random123's vectors."""
    assert simulated["known_answers"] == [
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ]


def test_draws_are_the_cpus(simulated: dict[str, Any]) -> None:
    """Normals and pairs have the CPU's bits, next to the ends of every branch too, for paths, blocks and seeds beyond
    2^32; Student-t variates are the CPU's to rounding."""
    found = simulated["normals"]
    assert found["different"] == 0 and found["edges"] == 0
    assert found["float64"] < 1e-14 and found["float32"] < 3e-6


@pytest.mark.parametrize("optimizer", names())
def test_every_model_agrees_with_the_cpu(optimizer: str, simulated: dict[str, Any]) -> None:
    """Five steps of every model of every shipped rule, in both precisions, against the CPU's generated step."""
    found = simulated["every_model"]
    expected = {f"{optimizer} {model} {law}" for model in models(optimizer) for law in CHECKED_IN}
    assert {name for name in found if name.split()[0] == optimizer} == expected
    for name in expected:
        assert all(found[name][T] < bound for T, bound in ROUNDING.items()), (name, found[name])


LAWS = ("laplace", "exponential", "rademacher", "two-point", "mixture", "empirical")
NODES = {"soft sde laplace": 64, "soft order2 gaussian": 64, "agreeing sde gaussian": 36}


def test_other_rules_agree_with_the_cpu(simulated: dict[str, Any]) -> None:
    """The same for modules made from text: every law's draws, and models with closed forms, data, expectations, such in
    expectations, and every function that can be printed."""
    found = simulated["other_rules"]
    expected = {f"{rule} algorithm {law}" for rule in ("signsgd", "sgd", "adam") for law in LAWS}
    expected |= {f"signsgd sde {law}" for law in ("laplace", "mixture", "empirical")}
    assert set(found) == expected | {"mixed algorithm gaussian", *NODES}
    for name, gap in found.items():
        assert all(gap[T] < bound for T, bound in ROUNDING.items()) and gap["nodes"] == NODES.get(name, 0), (name, gap)


def test_draws_of_laws_are_accurate(simulated: dict[str, Any]) -> None:
    """Normals of every size |z| <= 6.77 against scipy: in float32 a Laplace variable keeps its relative accuracy in the
    tail and next to 0. Draws from a finite set are the CPU's in both precisions."""
    found = simulated["draws_of_laws"]
    assert found["laplace float32 relative"] < 8e-7
    assert found["laplace float64"] < 2e-15 and found["exponential float64"] < 2e-15
    assert found["exponential float32"] < 4e-7
    assert len(found["choices"]) == 8 and not any(found["choices"].values())


def test_functions_on_the_device_are_accurate(simulated: dict[str, Any]) -> None:
    """Sine and cosine up to 2^16, powers, votes: within the bounds that their docstrings state, NaN outside."""
    found = simulated["device_functions"]
    for T, unit, turn in (("float32", 2.0**-24, 3e-7), ("float64", 2.0**-53, 2e-15)):
        assert found[f"sin {T}"] < turn and found[f"cos {T}"] < turn
        assert found[f"power {T}"] < 2 * unit and found[f"whole_power {T}"] < 26 * unit
        assert found[f"votes {T}"] < 32 * unit and found[f"NaN {T}"] == 4 and found[f"zero {T}"] == 1


def test_thresholds_are_where_the_cpu_has_them() -> None:
    """The first float32 normal on either side of every threshold, and the first word on either side of every edge, are
    on the side where the CPU's float64 puts them."""
    for share in (1e-9, 0.01, 0.2, 0.5, 0.7, 0.99):
        z0 = np.float32(two_point_numbers(np.array([share]))[0])
        after = np.nextafter(z0, np.float32(9)) if z0 else np.float32(1e-14)  # normals are never closer to 0
        assert special.normal_tail(float(z0)) >= share > special.normal_tail(float(after))
    data = empirical([-1.0, 0.1, 0.4, 5.0, 7.0], [1, 4, 5, 1e-6, 3]).law_data
    values, thresholds = np.split(empirical_numbers(data), 2)
    assert (values == data[5:10]).all() and thresholds[0] == -np.inf
    for share, t in zip(data[11:15], thresholds[1:], strict=True):
        before = float(np.nextafter(np.float32(t), np.float32(-9)))
        assert t == np.float32(t) and special.normal_tail(-t) >= share > special.normal_tail(-before)
    data = mixture([0.3, 0.6, 1e-9, 0.1], [0, 1, 2, 3], [1, 1, 1, 1], 1.0).law_data
    high, low = mixture_numbers(data).reshape(4, 4)[:, :2].T
    words = (65536 * high + low).astype(np.int64)
    assert words[0] == 0 and (low < 65536).all() and (np.diff(words) > 0).all()
    for below, word in zip(np.cumsum(data[:4])[:-1], words[1:], strict=True):
        after, before = (normals.uniform(np.int64(w).astype(np.int32)) for w in (word, word - 1))
        assert after > below >= before


def test_modules_on_demand_agree_with_the_cpu(simulated: dict[str, Any]) -> None:
    """The same for rules without a checked-in module: several states, a state that is averaged out, further states with
    initial values, running maxima, votes, numbers of every step, several Brownian motions, a model whose optimizer goes
    in stages, and states and hyperparameters with the names of a kernel's own; and for a law that is not checked in."""
    found = simulated["on_demand"]
    check_on_demand(found)
    checked = {" ".join(Path(name).name.split(" ")[:2]) for name in found["differences"]}
    assert {
        "sgld sde",
        "nadam algorithm",
        "rules_for_cuda.py:awkward order2",
        "rules_for_cuda.py:awkward+average-out:y sde",
        "sgd sde",
        "signsgd_majority sde",
    } <= checked
    assert "sgld algorithm" not in checked and "sgld algorithm student-t" in found["staged"]


def test_runs_on_demand_start_like_the_cpus(simulated: dict[str, Any]) -> None:
    """Whole runs, from the rule's own initial states, and of a model whose optimizer goes in stages."""
    found = simulated["runs_on_demand"]
    assert len(found) == 2 and all(difference < ROUNDING["float64"] for difference in found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize("law", CHECKED_IN)
def test_every_rule_agrees_with_the_cpu(law: str, own_cache: None) -> None:
    """All shipped rules, each with all of its models; prints what has no kernel, and why."""
    found = in_simulator(law)[law]
    for name, reason in found["on_host"].items():
        print(f"{name}: {reason}")
    check_on_demand(found)
    assert len(found["differences"]) > 100


def check_on_demand(found: dict[str, Any]) -> None:
    """All models that the CPU takes in one pass agree with it to rounding; those in stages, and no others, are left out
    for that."""
    assert not found["raised"], "\n".join(found["raised"].values())
    assert all("goes in stages, on the CPU only" in reason for reason in found["on_host"].values())
    assert set(found["on_host"]) == set(found["staged"]) and set(found["models"]) == set(found["differences"])
    for name, difference in found["differences"].items():
        assert all(difference[T] < bound for T, bound in ROUNDING.items()), (name, difference)


def test_ensembles_agree_with_the_cpu(simulated: dict[str, Any]) -> None:
    """Moments of whole runs: handover from the optimizer, substeps on the same Brownian path, saved times, losses and
    their quantiles. The result does not depend on how steps are cut into launches."""
    runs = simulated["ensembles"]["runs"]
    assert len(runs) == 10 and simulated["ensembles"]["cut"]
    for run in runs:
        assert run["counts"] and run["gap"] < ROUNDING[run["precision"]], run
        assert run["quantiles"] <= BUCKET[run["precision"]], run


def test_a_model_under_data_takes_over(simulated: dict[str, Any]) -> None:
    """Three steps of the optimizer on data, then three of its model: each kernel reads numbers of its own."""
    for precision, bound in ROUNDING.items():
        assert simulated["handover"][precision] < bound, simulated["handover"]


def test_losses_agree_with_the_cpu(simulated: dict[str, Any]) -> None:
    """Gradients and Hessian-vector products of every family on the same numbers, float32 data too, relative to their
    largest entry; logistic margins of +-800 included. Values are in float64 always."""
    found = simulated["families"]
    assert len(found) == 11
    for name, gaps in found.items():
        assert all(gaps[T] < bound for T, bound in ROUNDING.items()), (name, gaps)


def test_a_game_is_no_quadratic_on_a_gpu() -> None:
    """Its field is linear, but its value is |z|^2/2: all three functions must be a family's."""
    with pytest.raises(InvalidParameter, match="device cuda: loss = game:2,0,0 is outside"):
        _ = DeviceRun(run(loss="game:2"), "float64")


def test_batches_change_nothing(simulated: dict[str, Any]) -> None:
    """Leaves of three paths, the last of one: at once and one by one."""
    found = simulated["batches"]
    assert found["same"] and found["counts"] and found["gap"] < 1e-13 and found["quantiles"] == 0
    assert found["progress"] == [[3, 7], [6, 7], [7, 7]]


def test_moments_agree_with_the_cpu(simulated: dict[str, Any]) -> None:
    """Two leaves with paths that diverge, against `Moments.add`: paths stay out from then on."""
    found = simulated["moments"]
    assert found["counts"] and found["gap"] < 1e-10 and found["diverged"] == [[0, 2, 3], [1, 1, 1]]


def test_sweeps_go_over_devices_and_precisions(simulated: dict[str, Any]) -> None:
    """Points of one sweep on a CPU and on a GPU in both precisions are what `simulate` gives, to the last bit, under
    digests of their own: a file is taken over for its own device and precision alone."""
    found = simulated["sweeps"]
    assert found["same"] == [True] * 3 and found["kept"] == 3
    assert found["found"] == np.eye(3, dtype=bool).tolist()


def test_a_run_on_a_gpu_travels(simulated: dict[str, Any]) -> None:
    """A worker on another machine has neither the rule's file nor its module: they come with the task."""
    assert simulated["travels"]


def test_limits_are_the_drivers() -> None:
    """A path counts as diverged by the same numbers on both devices."""
    from adasde.kernels.cuda.device import moments

    assert (moments.DIVERGED, moments.DIVERGED_LOSS) == (statistics.DIVERGED, statistics.DIVERGED_LOSS)


def test_the_benchmarks_own_checks(simulated: dict[str, Any]) -> None:
    """benchmarks/gpu.py finds a small W3 right, and notices coefficients that are one percent off; it refuses to
    measure the simulator."""
    found = simulated["benchmark"]
    assert found["right"]["path_error"] < 1e-12 and found["right"]["standard_errors_from_cpu"] < 5
    assert re.match("W3 in float64: a path is off by", found["wrong"]) and found["refused"] == 3


def test_the_benchmark_refuses_without_a_gpu(tmp_path: Path) -> None:
    """No GPU, no numbers: exit code 3, a reason, and no file."""
    from numba import cuda

    if cuda.is_available():
        pytest.skip("there is a GPU")
    out = tmp_path / "gpu.json"
    program = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
    done = subprocess.run([sys.executable, str(program), "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 3 and "nothing was measured or written" in done.stderr and not done.stdout
    assert not out.exists()


# What there is no kernel for, or no GPU


@value_kernel
def my_value(x, f, data):  # type: ignore[no-untyped-def]
    f[:] = 0.0


@field_kernel
def my_field(x, out, data):  # type: ignore[no-untyped-def]
    out[:] = 1.0


def my_covariance(x, out, data):  # type: ignore[no-untyped-def]
    out[:] = 1.0


OWN = Loss("mine", 1, np.zeros(1), np.ones(1), my_value, my_field, None, my_field)
FULL = replace(OWN, noise_covariance=my_covariance)


def run(**changes: Any) -> Run:
    arguments: dict[str, Any] = {
        "optimizer": "sgd",
        "model": "algorithm",
        "loss": "quadratic:1,2",
        "noise": "gaussian:1",
        "steps": 2,
        "paths": 3,
        "seed": 0,
        "substeps": 1,
        "start": None,
        "save": 2,
        "x0": None,
        "init": None,
        "hyperparameters": {},
    }
    return plan(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"optimizer": "sgld"},
            "sgld, gaussian noise: model = algorithm is outside {sde}: the optimizer's step needs draws of its own: it",
        ),
        (
            {"optimizer": "sgld", "model": "sde", "start": 1},
            "sgld, model sde: start = 1 is outside {0}: the optimizer's step needs draws of its own: it goes in stages",
        ),
        ({"optimizer": "sam"}, "is outside {}: the optimizer's step needs sums over coordinates, gradients at other"),
        ({"optimizer": "extragradient", "model": "sde"}, "is outside {}: a step of sde needs Hessian-vector products"),
        ({"loss": "quadratic:" + ",".join(["1"] * 65)}, "dimension = 65 is outside [1, 64]"),
        ({"noise": Noise("gaussian", None), "loss": OWN}, "noise = gaussian:data is outside"),
        ({"noise": "gaussian:@data", "loss": FULL}, "noise = gaussian:@data is outside"),
        ({"loss": OWN}, "loss = mine is outside {logistic, quadratic, rosenbrock, saddle}"),
    ],
)
def test_what_has_no_kernel_is_refused(own_cache: None, changes: dict[str, Any], message: str) -> None:
    """By name, with the remedy, before anything runs."""
    with pytest.raises((InvalidParameter, NoModel)) as caught:
        _ = DeviceRun(run(**changes), "float64")
    assert message in str(caught.value)
    assert "--device cpu" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threads": 2}, r"device cuda: threads = 2 is outside \{None\}: a GPU runs all paths by itself: leave it out"),
        ({"chunk": 7}, "device cuda: chunk = 7 is outside"),
        ({"executor": ThreadPoolExecutor(1)}, "device cuda: executor = <.*ThreadPoolExecutor"),
        ({"keep_paths": 1}, r"device cuda: keep_paths = 1 is outside \{0\}"),
        ({"noise_precision": "double"}, r"device cuda: noise_precision = double is outside \{mix\}"),
        ({"increments": "rademacher"}, r"device cuda: increments = rademacher is outside \{gaussian\}"),
        ({"fast": True}, r"device cuda: fast = True is outside \{False\}"),
    ],
)
def test_what_a_gpu_does_not_do_is_refused(given: dict[str, Any], message: str, monkeypatch: Any) -> None:
    """Nothing that a user asks for is left out without a word; the remedy is the CPU."""
    monkeypatch.setattr(adasde.cuda, "require_package", lambda: None)
    options: dict[str, Any] = {"loss": "quadratic:1", "noise": "gaussian:1", "steps": 2, "paths": 3}
    with pytest.raises(InvalidParameter, match=message) as caught:
        simulate("sgd", **options, **given, device="cuda")
    assert "--device cpu" in str(caught.value)


def test_a_run_on_a_gpu_compiles_nothing_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are compiled when a CPU is to run them, and not by planning."""

    def compiled(step: Any) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(StepKernel, "compiled", property(compiled))
    planned = run(optimizer="adam", model="order2", start=1)
    assert DeviceRun(planned, "float64").run is planned
    with pytest.raises(AssertionError, match="compiled"):
        planned.compiled()


def test_precision_and_device_are_checked() -> None:
    """A CPU has float64 only, a GPU two precisions, and there are two devices."""
    options: dict[str, Any] = {"loss": "quadratic:1", "noise": "gaussian:1", "steps": 2, "paths": 3}
    with pytest.raises(InvalidParameter, match="use --device cuda"):
        simulate("sgd", **options, precision="float32")
    with pytest.raises(InvalidParameter, match=r"float16 is outside \{float32, float64\}"):
        simulate_on_gpu(run(), "float16")
    with pytest.raises(InvalidParameter, match="device = 'gpu' is outside"):
        simulate("sgd", **options, device="gpu")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--device cuda` without numba-cuda: exit code 3, what to install, and that the CPU gives the same."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numba_cuda" else found(name))
    result = CliRunner().invoke(main, ["simulate", "sgd", "--device", "cuda", "--steps", "2", "--paths", "3"])
    assert result.exit_code == 3, result.output
    for words in ("numba-cuda is not installed", "adasde[cu12]", "adasde[cu13]", "--device cpu", "gives the same"):
        assert words in result.stderr


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the driver finds no GPU, or is none: exit code 3 and the same advice."""
    from numba import cuda

    monkeypatch.setattr(adasde.cuda, "require_package", lambda: None)
    monkeypatch.setattr(cuda, "is_available", lambda: False)
    result = CliRunner().invoke(main, ["simulate", "sgd", "--device", "cuda", "--steps", "2", "--paths", "3"])
    assert result.exit_code == 3 and "no GPU that CUDA can use was found" in result.stderr, result.output
    assert "adasde[cu13]" in result.stderr and "--device cpu" in result.stderr

    def broken() -> bool:
        raise RuntimeError("driver too old")

    monkeypatch.setattr(cuda, "is_available", broken)
    with pytest.raises(MissingData, match="driver too old"):
        require_gpu()
