"""Run in a process of its own by `test_cuda.py`, with NUMBA_ENABLE_CUDASIM=1, which numba reads once: prints JSON."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
import traceback
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import cuda_laws
import numpy as np

import adasde.cuda
from adasde.cache import FOLDER
from adasde.cuda import DeviceRun, family_of
from adasde.cuda_work import device_leaves
from adasde.ensemble import Moments
from adasde.kernels.cuda.device import losses
from adasde.kernels.cuda.device.moments import THREADS, moments_kernel
from adasde.kernels.cuda.device.normals import box_muller, fill, pair_cosine, pair_sine
from adasde.kernels.cuda.device.paths import built
from adasde.kernels.cuda.device.philox import philox
from adasde.kernels.cuda.device.special import student_t_in
from adasde.kernels.draws import draw_functions
from adasde.kernels.lanes import LAW_CODES
from adasde.kernels.normals import box_muller as box_muller_on_cpu
from adasde.kernels.normals import fill_normals, fill_pairs, fill_student_t
from adasde.kernels.sketch import buckets_of
from adasde.laws import LAWS
from adasde.losses import Quadratic, parse_loss
from adasde.losses.base import Loss
from adasde.losses.logistic import Logistic
from adasde.noise import Noise, gaussian, student_t
from adasde.optimizers import cuda_kernels, kernels, names, parameter_array, shipped
from adasde.plan import plan
from adasde.quantiles import Sketch
from adasde.run import Run
from adasde.simulation import simulate
from adasde.staged import is_staged
from adasde.sweep_grid import read_points
from adasde.sweep_run import sweep
from adasde.sweep_store import finished

SEED, PATH = 2**40 + 12345, 2**33 + 5
H = np.array([[1.0, 0.3], [0.3, 0.5]])
DEVICES = (("cpu", "float64"), ("cuda", "float64"), ("cuda", "float32"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "momentum.py"


def batches() -> dict[str, Any]:
    """Three leaves in one batch, and one by one, with progress; of the same bytes, and the CPU's to rounding."""
    seen: list[list[int]] = []
    arguments: dict[str, Any] = {"loss": "quadratic:1", "noise": "gaussian:0.3", "lr": 0.1, "steps": 2, "save": 2}
    with patch.object(Run, "leaf", 3):
        cpu = simulate("sgd", "sde", paths=7, **arguments)
        whole = simulate("sgd", "sde", paths=7, device="cuda", **arguments)
        with patch.object(adasde.cuda, "BATCH_BYTES", 1):
            report = lambda done, paths: seen.append([done, paths])  # noqa: E731
            parts = simulate("sgd", "sde", paths=7, device="cuda", progress=report, **arguments)
    same = all((getattr(whole.moments, n) == getattr(parts.moments, n)).all() for n in ("count", "mean", "m2", "loss"))
    histograms = zip(whole.moments.sketch.histogram, parts.moments.sketch.histogram, strict=True)
    same = same and all((a == b).all() for a, b in histograms)
    return {"same": bool(same), "progress": seen, **gap(cpu.moments, whole.moments)}


def known_answers() -> list[str]:
    """Random123's three vectors, counter and key as in its kat_vectors."""
    zeros, ones = [0] * 6, [0xFFFFFFFF] * 6
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0]
    return [" ".join(f"{int(w):08x}" for w in philox(*map(np.uint32, words))) for words in (zeros, ones, pi)]


def normals() -> dict[str, float]:
    """How many draws differ in any bit from the CPU's, and the largest relative error of Student-t variates."""
    lanes, numbers = 5, 24
    z, own = np.empty((numbers, lanes)), np.empty(4, np.float32)
    different = 0
    for stream in (0, 1, 9):
        fill_normals(z, PATH, 2**34, stream, SEED)
        for j in range(lanes):
            for block in range(numbers // 4):
                fill(own, PATH + j, 2**32 + block, stream, SEED)
                different += int((own != z[4 * block : 4 * block + 4, j]).sum())
    z2, t = z.copy(), z.copy()
    fill_pairs(z, z2, PATH, 6, 0, SEED)
    fill_student_t(t, PATH, 6, 0, SEED, 2.5)
    errors = {"float32": 0.0, "float64": 0.0}
    for j in range(lanes):
        for r in range(numbers):
            different += pair_cosine(own, 6 + r, 6, PATH + j, SEED) != z[r, j]
            different += pair_sine(own, 6 + r) != z2[r, j]
            for T in (np.float32, np.float64):
                found = student_t_in(T)(6 + r, PATH + j, SEED, T(2.5))
                errors[T.__name__] = max(errors[T.__name__], abs(float(found) / t[r, j] - 1))
    return {"different": int(different), "edges": edges(), **errors}


def edges() -> int:
    """Words next to the ends of each branch, against the CPU's Box-Muller."""
    ends = [0, 1, 2**29, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 5 * 2**29, 2**32 - 2, 2**32 - 1]
    pairs = np.array([(u, v) for u in ends for v in ends], dtype=np.uint32)
    words, z = np.zeros((4, len(pairs)), np.int32), np.empty((2, len(pairs)), np.float32)
    words[2], words[3] = pairs.view(np.int32).T
    box_muller_on_cpu(words, 2, z, 0, 1)
    own = np.array([box_muller(u, v) for u, v in pairs], dtype=np.float32)
    return int((z.view(np.int32) != own.view(np.int32).T).sum())


def reference(
    module: Any,
    step: Any,
    model: str,
    noise: Noise,
    first: int,
    last: int,
    start: Any,
    s: Any,
    p: Any = None,
    path: int = PATH,
) -> Any:
    """Steps first, ..., last - 1 by the CPU's generated step, run as plain Python, on the CPU's draws; and p."""
    if p is None:
        p = parameter_array(module, {h.name: VALUES.get(h.name, h.default) for h in module.HYPERPARAMETERS}, noise)
    state, (_, d, lanes) = start.copy(), start.shape
    g, scale, curvature = np.empty((d, lanes)), np.repeat(s[:, None], lanes, axis=1), np.zeros((2, d, lanes))
    facts = (0, last, 1, step.noises, 1, LAW_CODES[noise.law], SEED)
    draws = np.empty((8 * step.noises, d, lanes))
    draw_functions(noise.law)[0](draws, d, 0, path, model == "algorithm", facts, noise.law_data)
    for k in range(first, last):
        g[:] = H @ state[0]
        arguments = (g, scale, curvature, draws[k * step.noises : (k + 1) * step.noises], p, k + 1, p[0] * k, p[0])
        if step.along is not None:
            step.along(state, *arguments)
            curvature[0], curvature[1] = H @ curvature[0], 0.0
        step(state, *arguments)
    return state, p


def noise_of(law: str) -> Noise:
    """Noise of a law, spelled as kernels are made for it."""
    return {"gaussian": gaussian(0.5), "student-t": student_t(5.5, 0.5), **cuda_laws.NOISES}[law]


VALUES = {"lr": 0.05, "beta1": 0.6, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.2}


def every_model() -> dict[str, dict[str, float]]:
    """`compared` for every model of the checked-in rules."""
    found: dict[str, dict[str, float]] = {}
    for optimizer in names():
        found |= differences(optimizer, importlib.import_module(f"adasde.kernels.cuda.{optimizer}"))
    return found


def differences(optimizer: str, module: Any) -> dict[str, dict[str, float]]:
    """`compared` for the kernels of one module."""
    found = {}
    for model, laws in module.MODELS.items():
        for law, kernel in laws.items():
            on_cpu = kernels(optimizer, law)
            step = on_cpu.algorithm if model == "algorithm" else on_cpu.MODELS[model][law]
            found[f"{optimizer} {model} {law}"] = compared(on_cpu, step, kernel, noise_of(law), model)
    return found


def other_rules() -> dict[str, dict[str, float]]:
    """The same for rules and laws that are not checked in."""
    return cuda_laws.other_rules(compared)


def compared(module: Any, step: Any, kernel: Any, noise: Noise, model: str) -> dict[str, float]:
    """The largest difference between a CUDA kernel and the CPU's step after five steps, relative to 1 + |y|."""
    rng, lanes, first, last, s = np.random.default_rng(3), 3, 2, 7, np.array([0.4, 0.7])
    start = rng.uniform(0.2, 1.0, (len(module.STATES), 2, lanes))
    expected, p = reference(module, step, model, noise, first, last, start, s)
    return {T.__name__: _difference(kernel, T, expected, p, first, last, start, s) for T in (np.float32, np.float64)}


def _difference(kernel: Any, T: Any, expected: Any, p: Any, first: int, last: int, start: Any, s: Any) -> float:
    state, xs = start.astype(T), np.zeros((2, *start.shape[1:]), T)
    table, numbers = kernel.table(p, first, last, 1).astype(T), kernel.numbers(p).astype(T)
    data, saves = H.ravel().astype(T), np.array([first, last])
    launch = built(kernel, T, 2, 1, losses.DENSE)[1, start.shape[2]]
    launch(state, s.astype(T), data, table, numbers, first, last, saves, xs, PATH, SEED)
    assert (xs[0] == start[0].astype(T)).all() and (xs[1] == state[0]).all() and state.dtype == T
    return float((np.abs(state - expected) / (1 + np.abs(expected))).max())


def ensembles() -> dict[str, Any]:
    """Whole simulations on both devices: handover, substeps, saves, losses; and whether the last of them ends in the
    same bits when it is cut into launches of two steps, with more saved times."""
    samples = np.random.default_rng(5).normal(size=(6, 3))
    logistic = Logistic(samples, [0, 1, 1, 0, 1, 0], 0.1)
    runs: list[tuple[str, str, dict[str, Any]]] = [
        ("sgd", "sde", {"loss": "quadratic:1,2,3", "noise": "gaussian:0.5,0.2,0", "substeps": 3, "save": [0, 2, 5]}),
        ("adam", "sde", {"loss": "saddle", "noise": "student-t:5:0.5", "start": 3, "substeps": 2, "save": 3}),
        ("sgd", "order2", {"loss": "rosenbrock:3,0.5,0.2", "noise": "gaussian:0.2", "save": [1, 6]}),
        ("sgd", "order2", {"loss": logistic, "noise": "gaussian:0.5", "x0": [1.0, -2.0, 0.5], "save": 3}),
        ("adam", "algorithm", {"loss": "saddle:1", "noise": "gaussian:0.5", "save": [6]}),
    ]
    found = []
    for optimizer, model, options in runs:
        arguments: dict[str, Any] = {"lr": 0.1, "steps": 6, "paths": 7, "seed": 4, **options}
        cpu = simulate(optimizer, model, **arguments)
        for precision in ("float64", "float32"):
            gpu = simulate(optimizer, model, device="cuda", precision=precision, **arguments)
            found.append({"run": f"{optimizer} {model}", "precision": precision, **gap(cpu.moments, gpu.moments)})
    adasde.cuda.STEPS_PER_LAUNCH = 2
    cut = simulate(optimizer, model, device="cuda", precision=precision, **{**arguments, "save": range(7)})
    return {"runs": found, "cut": bool((cut.moments.mean[-1] == gpu.moments.mean[-1]).all())}


def handover() -> dict[str, float]:
    """The largest error of a run on data: the optimizer's first steps read quantiles, the model's the law's numbers."""
    noise, found = cuda_laws.NOISES["empirical"], {}
    module, own = cuda_laws.under_data()
    with patch("adasde.optimizers.kernels", return_value=module):
        run = plan("signsgd", "sde", Quadratic(H), noise, 6, 5, SEED, 1, 3, [6], [1.0, -0.7], None, {"lr": 0.1})
    state = np.repeat(run.initial[:, :, None], run.paths, axis=2)
    for model, first, last in (("algorithm", 0, 3), ("sde", 3, 6)):
        step = module.MODELS[model]["empirical"]
        state, _ = reference(module, step, model, noise, first, last, state, noise.scales(2), run.p, path=0)
    with patch.object(DeviceRun, "kernels", {model: own[model]["empirical"] for model in ("algorithm", "sde")}):
        for T in adasde.cuda.PRECISIONS:
            x = adasde.cuda.DeviceRun(run, T).positions(range(1)).copy_to_host()[0]
            found[T] = float((np.abs(x - state[0]) / (1 + np.abs(state[0]))).max())
    return found


def families() -> dict[str, dict[str, float]]:
    """The largest difference between a family and the loss on the CPU, in its gradient, Hessian-vector product and
    value, relative to the largest entry, at points of order one and at margins of +-800."""
    rng = np.random.default_rng(6)
    far = np.array([[800.0, -0.25], [-800.0, 0.5], [700.0, 1.0], [-40.0, 0.0]])
    given = [*map(parse_loss, ("quadratic:1,2,3", "saddle:1,-1,2", "rosenbrock:5,0.5,3", "rosenbrock:2"))]
    given += [Quadratic(H), Quadratic(np.eye(3) + 0.1), Logistic(rng.normal(size=(20, 4)), np.arange(20) % 2, 0.3)]
    cases = [(loss, rng.normal(size=loss.dimension)) for loss in given]
    cases += [(Logistic(far, [0, 1, 1, 0], l2), np.array([sign, 0.5])) for l2 in (0.0, 0.1) for sign in (1.0, -1.0)]
    return {f"{n} {loss.name}": _family_gaps(loss, x, rng.normal(size=len(x))) for n, (loss, x) in enumerate(cases)}


def _family_gaps(loss: Loss, x: Any, u: Any) -> dict[str, float]:
    d, gaps = len(x), {}
    for T in (np.float32, np.float64):
        family, data = family_of(loss), loss.data.astype(T)
        x, u = x.astype(T).astype(np.float64), u.astype(T).astype(np.float64)
        same, outs, expected, f = data.astype(np.float64), np.empty((2, d), T), np.empty((2, d, 1)), np.empty(1)
        family.gradient(x.astype(T)[None], outs[0], data, d)
        family.hessian_vector(x.astype(T)[None], u.astype(T), outs[1], data, d)
        loss.gradient(x[:, None], expected[0], same)
        loss.hessian_vector(x[:, None], u[:, None], expected[1], same)
        loss.value(x[:, None], f, same)
        relative = np.abs(outs - expected[:, :, 0]).max(axis=1) / (1e-300 + np.abs(expected[:, :, 0]).max(axis=1))
        value = family.value(x.astype(T)[None, :, None], 0, 0, same, d)
        assert abs(value - f[0]) <= 1e-14 * abs(f[0])
        gaps[T.__name__] = float(relative.max())
    return gaps


def gap(a: Moments, b: Moments) -> dict[str, Any]:
    """The largest difference of the moments, that of quantiles in relative terms, and whether the counts are the same,
    of the histograms' too."""
    parts = [(a.mean, b.mean), (a.m2, b.m2), (a.loss, b.loss)]
    counts = (a.count == b.count).all() and (a.diverged == b.diverged).all()
    counts = counts and a.sketch.histogram[1].sum() == b.sketch.histogram[1].sum() == a.count.sum()
    quantiles = [(m.sketch.quantile(q, len(m.count)) for m in (a, b)) for q in (0.05, 0.5, 0.95)]
    relative = max(float(np.abs(x / y - 1).max()) for x, y in quantiles)
    return {"gap": max(float(np.abs(x - y).max()) for x, y in parts), "quantiles": relative, "counts": bool(counts)}


def moments() -> dict[str, Any]:
    """Two leaves, the second not full, with paths that diverge, against `Moments.add` on the CPU."""
    rng, times, d, paths, leaf = np.random.default_rng(5), 3, 2, 2 * THREADS + 40, THREADS + 60
    xs = rng.standard_normal((times, d, paths)) + 3
    xs[1, 0, 5], xs[2, 1, 7], xs[0, 0, paths - 1], xs[1, 1, 9] = np.nan, 1e13, np.inf, -2e12
    data = np.array([1.0, 0.5])
    values = (0.5 * data[None, :, None] * xs**2).sum(axis=1)
    found, worst, counts = [], 0.0, True
    arrays = {
        "count": np.zeros((2, times), np.int64),
        "diverged": np.zeros((2, times), np.int64),
        "mean": np.zeros((2, times, d)),
        "m2": np.zeros((2, times, d, d)),
        "loss": np.zeros((2, times, 2)),
    }
    f = np.empty((times, paths))
    moments_kernel(losses.DIAGONAL, d)[2, THREADS](xs, leaf, data, f, *arrays.values())
    for number, part in enumerate((slice(0, leaf), slice(leaf, paths))):
        expected = Moments.empty(times, d, True)
        expected.add(np.ascontiguousarray(xs[:, :, part]), np.ascontiguousarray(values[:, part]))
        sketch = Sketch()
        sketch.add(buckets_of(np.ascontiguousarray(f[:, part])))
        result = gap(expected, Moments(**{name: array[number] for name, array in arrays.items()}, sketch=sketch))
        worst = max(worst, result["gap"], result["quantiles"])
        counts = counts and result["counts"]
        found.append(arrays["diverged"][number].tolist())
    return {"gap": worst, "counts": counts, "diverged": found}


def benchmark() -> dict[str, Any]:
    """The checks of benchmarks/gpu.py on a small W3, and what they say of coefficients that are one percent off."""
    sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
    import gpu
    import workloads

    table = adasde.cuda.DeviceRun._table
    small = {"STEPS": 10, "COMPARED_PATHS": 2, "CPU_PATHS": 40}
    with patch.multiple(gpu, **small), patch.object(workloads, "STEPS", 10):
        right = said(gpu)
        with patch.object(adasde.cuda.DeviceRun, "_table", lambda *arguments: 1.01 * table(*arguments)):
            wrong = said(gpu)
    return {"right": right, "wrong": wrong, "refused": gpu.main([])}


def sweeps() -> dict[str, Any]:
    """One sweep over both devices and both precisions: whether the stored points are what `simulate` gives, and which
    points are found again where there is only one file of the three."""
    run: dict[str, Any] = {"loss": "quadratic:1,2", "noise": "gaussian:0.5", "steps": 3, "paths": 5, "save": 2}
    axes = [{"device": "cpu"}, {"device": "cuda", "precision": ["float64", "float32"]}]
    spelled = {"run": run, "grid": [{"optimizer": "sgd", "lr": 0.1, **axis} for axis in axes]}
    points, same, found = read_points(spelled), [], []
    with TemporaryDirectory() as folder:
        swept = sweep(spelled, folder)
        for point, (device, precision) in zip(swept.points, DEVICES, strict=True):
            own = simulate("sgd", lr=0.1, device=device, precision=precision, **run).moments
            pairs = [
                (getattr(own, name), getattr(swept.ensemble(point.point).moments, name)) for name in Moments.ARRAYS
            ]
            facts = json.loads(str(np.load(f"{folder}/{point.file}")["facts"]))
            told = (facts["device"], facts["precision"]) == (device, precision)
            same.append(told and all(a.tobytes() == b.tobytes() for a, b in pairs))
            with TemporaryDirectory() as other:
                Path(other, "points").mkdir()
                Path(other, point.file).write_bytes(Path(folder, point.file).read_bytes())
                found.append([finished(Path(other), p) is not None for p in points])
        kept = sweep(spelled, folder).kept
    return {"same": same, "found": found, "kept": kept}


def travels() -> bool:
    """A run on a GPU of a rule in a file goes to a worker that has neither the file nor the module."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "away.py")
        file.write_text(EXAMPLE.read_text())
        options: dict[str, Any] = {"loss": "quadratic:1", "noise": "gaussian:0.5", "steps": 2, "paths": 3, "save": 2}
        optimizer = f"{file}:momentum"
        whole = simulate(optimizer, "algorithm", device="cuda", **options)
        point = read_points(
            {"run": options | {"device": "cuda", "model": "algorithm"}, "grid": {"optimizer": optimizer}}
        )[0]
        leaves = device_leaves(point.on_gpu)
        work = pickle.dumps(leaves.work)
    for name in [name for name in sys.modules if name.startswith("adasde_cache.momentum")]:
        del sys.modules[name]
    with TemporaryDirectory() as elsewhere, patch.dict(os.environ, {FOLDER: elsewhere}):
        (moments,), _ = pickle.loads(work)(range(leaves.count))
    return bool((moments.mean == whole.moments.mean).all() and (moments.loss == whole.moments.loss).all())


def said(gpu: Any) -> Any:
    """What the checks of W3 in float64 find, or why they fail."""
    try:
        return gpu.correctness(gpu.W3, "float64")
    except gpu.Disagreement as error:
        return str(error)


OWN_RULES = Path(__file__).with_name("rules_for_cuda.py")
ON_DEMAND = (
    "lion gaussian",
    "nadam gaussian",
    "adamax gaussian",
    "momentum+average-out:m gaussian",
    "sgd+ou:10:0.5 gaussian",
    "sgld student-t",
    "signsgd_majority gaussian",
    f"{OWN_RULES}:awkward gaussian",
    f"{OWN_RULES}:awkward+average-out:y gaussian",
    f"{OWN_RULES}:scheduled student-t",
    "sgd laplace",
)


def on_demand(spelled: tuple[str, ...] = ON_DEMAND) -> dict[str, Any]:
    """`differences` for modules that are made on demand, each spelled ``RULE LAW``. What the CPU has besides: models in
    stages and others; what has no kernel, with the reason; and what raised."""
    found: dict[str, Any] = {"differences": {}, "models": [], "staged": [], "on_host": {}, "raised": {}}
    for optimizer, law in map(str.split, spelled):
        try:
            on_cpu, module = kernels(optimizer, law), cuda_kernels(optimizer, law)
            steps = {model: laws[law] for model, laws in on_cpu.MODELS.items() if laws} | {
                "algorithm": on_cpu.algorithm
            }
            for model, step in steps.items():
                found["staged" if is_staged(step) else "models"].append(f"{optimizer} {model} {law}")
            left_out = {m: why for m, why in module.HOST_ONLY.items() if law not in module.MODELS.get(m, {})}
            found["on_host"] |= {f"{optimizer} {model} {law}": why for model, why in left_out.items()}
            found["differences"] |= differences(optimizer, module)
        except Exception:
            found["raised"][f"{optimizer} {law}"] = traceback.format_exc()[-1500:]
    return found


def runs_on_demand() -> dict[str, float]:
    """The largest difference after five steps of whole runs in float64 from their own initial states, as in
    `differences`."""
    spelled = ["nadam algorithm gaussian", "sgld sde student-t"]
    found = {}
    for optimizer, model, law in map(str.split, spelled):
        noise, module = noise_of(law), kernels(optimizer, law)
        values = {h.name: VALUES[h.name] for h in module.HYPERPARAMETERS if h.name in VALUES}
        options = (Quadratic(H), noise, 5, 3, SEED, 1, None, 2, [1.0, -0.5], None, values)
        run = plan(optimizer, model, *options)
        start = np.repeat(run.initial[:, :, None], 3, axis=2)
        step = module.algorithm if model == "algorithm" else module.MODELS[model][law]
        expected, _ = reference(module, step, model, noise, 0, 5, start, noise.scales(2), path=0)
        xs = DeviceRun(run, "float64").positions(range(1)).copy_to_host()
        found[f"{optimizer} {model}"] = float((np.abs(xs[1] - expected[0]) / (1 + np.abs(expected[0]))).max())
    return found


def every_rule(law: str) -> dict[str, Any]:
    """`on_demand` for all shipped rules under one law."""
    return on_demand(tuple(f"{name} {law}" for name in shipped()))


if __name__ == "__main__":
    own = (known_answers, normals, every_model, other_rules, families, ensembles, handover, moments, batches, benchmark)
    own = (*own, sweeps, travels, on_demand, runs_on_demand, cuda_laws.draws_of_laws, cuda_laws.device_functions)
    sections: dict[str, Any] = {f.__name__: f for f in own}
    whole = {law: partial(every_rule, law) for law in LAWS}
    print(json.dumps({name: (sections | whole)[name]() for name in sys.argv[1:] or sections}))
