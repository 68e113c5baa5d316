"""The command line: its names and its JSON are contracts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from click.testing import CliRunner, Result
from sympy.parsing.sympy_parser import parse_expr

import adasde.cli.progress
from adasde.cli import main
from adasde.derive.optimizers import registry
from adasde.noise import LAWS, gaussian
from adasde.optimizers import CHECKED_IN, kernels, models, names
from adasde.simulation import simulate

DERIVED = [(optimizer, model, law) for optimizer in names() for model in models(optimizer)[1:] for law in CHECKED_IN]
DERIVED += [(optimizer, "sde", law) for optimizer in ("rmsprop", "signsgd") for law in LAWS if law not in CHECKED_IN]


VALID = {"nu": 5.5, "p": 0.3, "w1": 0.3, "w2": 0.7, "m1": 0.4, "m2": -0.2, "d1": 0.8, "d2": 1.0, "eta": 0.1}
"""Numbers inside the domains of a law, and a learning rate with eta rho < 1."""


def run(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def stdout(line: str) -> str:
    """What a command that succeeds prints; it says nothing on stderr."""
    result = run(line)
    assert result.exit_code == 0 and not result.stderr, result.output
    return result.stdout


def test_help() -> None:
    """Every command is listed with a line, explains itself, and has its own help."""
    text = stdout("--help")
    names = ("list", "derive", "audit", "kernels", "simulate", "sweep", "verify", "stationary", "noise", "scaling-rule")
    for name in (*names, "reproduce"):
        assert re.search(rf"^  {name} +\S.*\.$", text, re.MULTILINE)
        assert "Usage:" in stdout(f"{name} --help") and "Usage:" in stdout(f"{name} -h")
    assert "Exit codes: 0 holds, 1 a claim fails, 2 usage, 3 no data" in text
    assert re.search(r"\d+\.\d+", stdout("--version"))


def test_list() -> None:
    """`list` names every optimizer with its states, models and defaults, every noise law and loss: as a table, and
    as JSON."""
    text, data = stdout("list"), json.loads(stdout("list --json"))
    assert sorted(data) == ["around", "backends", "losses", "noise", "noise_laws", "optimizers"]
    assert data["noise"] == list(LAWS) == list(data["noise_laws"]) and all(
        form in text for form in ("mixture:W1", "NU")
    )
    assert list(data["losses"]) == ["quadratic", "saddle", "rosenbrock", "game", "logistic", "mlp", "net"]
    assert list(data["optimizers"]) == list(registry()) and len(registry()) >= 35
    for optimizer, facts in data["optimizers"].items():
        rule = registry()[optimizer]
        assert facts["states"] == list(map(str, rule.states)) and facts["dialect"] == rule.dialect
        assert facts["hyperparameters"] == {h.name: h.default for h in rule.hyperparameters}
        assert all(word in text for word in (optimizer, *facts["models"]))
        assert {"sde", "order2"} <= {*facts["models"], *facts["refused"]}
    for optimizer in names():
        assert data["optimizers"][optimizer]["models"] == models(optimizer)
    assert "mlp:breast_cancer[" in text


# derive


@pytest.mark.parametrize(("optimizer", "model", "law"), DERIVED)
def test_derive_json(optimizer: str, model: str, law: str) -> None:
    """The contract of DESIGN.md: every expression parses with parse_expr into the named symbols, shapes fit, and
    covariance = diffusion diffusion^T numerically."""
    data = json.loads(stdout(f"derive {optimizer} --model {model} --noise {law} --format json"))
    assert (data["optimizer"], data["model"], data["noise"]) == (optimizer, model, law)
    n, motions = len(data["states"]), len(data["diffusion"][0])
    assert data["states"] == list(kernels(optimizer).STATES) and len(data["drift"]) == n
    assert [len(row) for row in data["diffusion"]] == [motions] * n
    assert [len(row) for row in data["covariance"]] == [n] * n
    second = ["Hb", "sb"] if model == "order2" else []
    assert data["inputs"] == ["G", "s", *second] and data["weak_order"] == 1 + bool(second) and data["provenance"]
    assert (data["along"] is None) == (model != "order2")
    assert data["assumptions"] and isinstance(data["dropped"], list)
    drift, diffusion, covariance = (sp.Matrix(parsed(data[key])) for key in ("drift", "diffusion", "covariance"))
    known = {*data["states"], *data["parameters"], *data["inputs"], "t"}
    used = {str(symbol) for part in (drift, diffusion, covariance) for symbol in part.free_symbols}
    described = {symbol["name"]: symbol for symbol in data["symbols"]}
    assert used <= known and used <= set(described) and ("nu" in used) <= (law == "student-t")
    assert all(symbol["meaning"] and symbol["units"] for symbol in described.values())
    rng = np.random.default_rng(8)
    for _ in range(3 if law != "empirical" else 0):
        point = {sp.Symbol(name): sp.Float(float(rng.uniform(0.2, 1.5)), 30) for name in known}
        point |= {sp.Symbol(name): sp.Float(value, 30) for name, value in VALID.items()}
        product = (diffusion * diffusion.T).subs(point).evalf(25)
        gap = product - covariance.subs(point).evalf(25)
        assert all(abs(entry) < 1e-18 * (1 + abs(other)) for entry, other in zip(gap, product, strict=True))
        assert all(entry.is_real for entry in drift.subs(point).evalf(25))


def parsed(texts: Any) -> Any:
    """Nested lists of texts as nested lists of expressions."""
    return parse_expr(texts) if isinstance(texts, str) else [parsed(text) for text in texts]


@pytest.mark.parametrize(("optimizer", "model", "law"), DERIVED)
def test_derive_text(optimizer: str, model: str, law: str) -> None:
    """Numbered steps, then what is assumed and dropped, what is published, and the source."""
    text = stdout(f"derive {optimizer} --model {model} --noise {law}")
    steps = [int(number) for number in re.findall(r"^(\d+)\. \S.*: \S", text, re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) >= (5 if model == "sde" else 2)
    assert f"model {model}, {law} noise, weak order {2 if model == 'order2' else 1}" in text
    assert "\nAssumes: " in text
    assert text.rindex("\nSource: ") > text.rindex("\nAssumes: ")
    if model == "sde":
        published = models(optimizer)[3:] if law in CHECKED_IN else []
        assert re.findall(r"^Published: (\w+)", text, re.MULTILINE) == published


# simulate

RUN = {"loss": "quadratic:1,3", "noise": "gaussian:0.5", "lr": 0.1, "steps": 20, "paths": 50, "seed": 3}
OPTIONS = " ".join(f"--{name} {value}" for name, value in RUN.items())


def test_simulate_json() -> None:
    """The contract of DESIGN.md: keys and shapes, and the numbers that the API gives for the same arguments."""
    data = json.loads(stdout(f"simulate sgd --model sde --substeps 2 --save 5 {OPTIONS} --json"))
    wanted = "optimizer model loss noise parameters seed paths times mean cov loss_mean loss_std loss_se diverged"
    assert set(wanted.split()) <= set(data)
    same = {"optimizer": "sgd", "model": "sde"} | {name: RUN[name] for name in ("loss", "noise", "seed", "paths")}
    assert data | same == data and data["parameters"]["lr"] == 0.1 and data["complete"] and data["substeps"] == 2
    shapes = {"times": (5,), "mean": (5, 2), "cov": (5, 2, 2), "loss_mean": (5,), "loss_std": (5,), "loss_se": (5,)}
    for key, shape in (shapes | {"diverged": (5,), "n": (5,)}).items():
        assert np.shape(data[key]) == shape, key
    direct = simulate("sgd", "sde", substeps=2, save=5, **RUN)  # type: ignore[arg-type]
    assert data == json.loads(json.dumps(direct.to_dict()))


def test_every_option_reaches_the_run() -> None:
    """--batch, --x0, --init, --start, --threads and hyperparameters by their aliases do what the API's do."""
    options = "--batch 4 --x0 2,-2 --init v=0.25 --start 12 --threads 1 --alpha 0.9 --eps 1e-4"
    data = json.loads(stdout(f"simulate rmsprop {OPTIONS} {options} --json"))
    direct = simulate(
        "rmsprop",
        **(RUN | {"noise": gaussian(0.5, batch=4)}),  # type: ignore[arg-type]
        x0=[2, -2],
        init={"v": 0.25},
        start=12,
        alpha=0.9,
        eps=1e-4,
    )
    assert data == json.loads(json.dumps(direct.to_dict()))
    assert data["parameters"] | {"beta2": 0.9, "eps": 1e-4, "lr": 0.1} == data["parameters"]
    decayed = json.loads(stdout(f"simulate adamw {OPTIONS} --weight-decay 0.3 --beta1 0.5 --json"))
    assert decayed["parameters"] | {"weight_decay": 0.3, "beta1": 0.5} == decayed["parameters"]


def test_simulate_table() -> None:
    """Without --json there is one row per saved time, with units in title and caption."""
    text = stdout(f"simulate sgd --model algorithm {OPTIONS} --save 5")
    assert "per sample" in text and "t = lr * step" in text and "diverged" in text
    rows = re.findall(r"^│ +([\d.]+) │", text, re.MULTILINE)
    assert rows == ["0", "0.5", "1", "1.5", "2"]


def test_diverged_paths_are_reported() -> None:
    """A run that blows up says how many paths did, in the table and as null in valid JSON, and exits with 0."""
    line = "simulate sgd --model algorithm --loss quadratic:1,3 --lr 3 --steps 120 --paths 40"
    assert "40 of 40 paths diverged" in stdout(line)
    data = json.loads(stdout(f"{line} --json"), parse_constant=pytest.fail)
    assert data["diverged"][-1] == 40 and data["n"][-1] == 0
    assert data["mean"][-1] == [None, None] and data["loss_se"][-1] is None


def test_simulate_plot(tmp_path: Path) -> None:
    """--plot writes the figure and says so on stderr; stdout stays the result."""
    path = tmp_path / "bands.png"
    result = run(f"simulate sgd {OPTIONS} --json --plot {path}")
    assert result.exit_code == 0 and json.loads(result.stdout)["optimizer"] == "sgd"
    assert path.read_bytes().startswith(b"\x89PNG") and f"wrote {path}" in result.stderr


@pytest.mark.parametrize("after", [1, 0])
def test_interrupted_runs(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C exits with 130: with what is finished on stdout, or, if that is nothing, with a message alone."""

    @contextmanager
    def progress(title: str) -> Iterator[Any]:
        if not after:
            raise KeyboardInterrupt

        def interrupt(done: int, total: int) -> None:
            raise KeyboardInterrupt

        yield interrupt

    monkeypatch.setattr(adasde.cli.progress, "progress", progress)
    result = run(f"simulate sgd {OPTIONS} --paths 200000 --steps 200 --threads 2 --json")
    assert result.exit_code == 130 and "interrupted" in result.stderr
    if after:
        data = json.loads(result.stdout)
        assert not data["complete"] and 0 < data["n"][-1] < 200_000
    else:
        assert not result.stdout


# kernels


def test_kernels_check_and_show() -> None:
    """The checked-in kernels are fresh, and --show prints them, but for the version of sympy in their header."""
    assert stdout("kernels --check") == f"all {2 * len(names())} kernel modules are fresh\n"
    shown, kept = stdout("kernels --show signsgd"), Path(str(kernels("signsgd").__file__)).read_text("utf-8")
    shown, kept = (re.sub(r"  sympy \S+$", "", text, count=1, flags=re.MULTILINE) for text in (shown, kept))
    assert shown == kept
    assert "def algorithm_gaussian(T, d, substeps" in stdout("kernels --show signsgd --device cuda")
    assert run("kernels --show adamm").exit_code == 2


def test_stale_kernels_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """--check exits with 1 and shows diff and remedy; --write mends it and says what it wrote. A changed helper makes
    the stamps of those stale that inline it, without which numba's cache would go on using the old one."""
    import adasde.generation

    kernel_files = adasde.generation.kernel_folder().parent
    for path in kernel_files.rglob("*.py"):
        copied = tmp_path / path.relative_to(kernel_files)
        copied.parent.mkdir(exist_ok=True)
        copied.write_bytes(path.read_bytes())
    monkeypatch.setattr(adasde.generation, "kernel_folder", lambda: tmp_path / "cpu")
    edited = tmp_path / "cpu" / "sgd.py"
    edited.write_text(edited.read_text().replace("x - eta*g", "x + eta*g"))
    result = run("kernels --check")
    assert result.exit_code == 1 and "sgd.py is hand-edited" in result.stdout
    assert "+            state[0, i, j] = x - eta*g" in result.stdout and "adasde kernels --write" in result.stdout
    assert stdout("kernels --write") == "wrote cpu/sgd.py\n"
    with (tmp_path / "normals.py").open("a") as file:
        file.write("# changed\n")
    result = run("kernels --check")
    users = (
        "draws",
        "draws64",
        "flat",
        "laws",
        "normals64",
        "rademacher",
        "student",
        "student64",
        "transformed",
        "transformed64",
    )
    assert result.exit_code == 1 and all(f"{name}.py is stale" in result.stdout for name in users)
    assert stdout("kernels --write") == "".join(f"wrote {name}.py\n" for name in users)
    assert stdout("kernels --check").startswith("all ")
