"""Run in a process of its own by `test_cuda.py`, with NUMBA_ENABLE_CUDASIM=1, which numba reads once: prints JSON."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import adasde.cuda
from adasde.cuda import family_of
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
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.losses.logistic import Logistic
from adasde.losses.quadratic import Quadratic
from adasde.noise import gaussian, student_t
from adasde.optimizers import kernels, names, parameter_array
from adasde.quantiles import Sketch
from adasde.run import Run
from adasde.simulation import simulate

SEED, PATH = 2**40 + 12345, 2**33 + 5
H = np.array([[1.0, 0.3], [0.3, 0.5]])


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


def reference(optimizer: str, model: str, law: str, first: int, last: int, start: Any, s: Any) -> tuple[Any, Any]:
    """Steps first, ..., last - 1 by the CPU's generated step, run as plain Python, on the CPU's draws; and p."""
    module, noise = kernels(optimizer), student_t(5.5, 0.5) if law == "student-t" else gaussian(0.5)
    p = parameter_array(module, {h.name: VALUES.get(h.name, h.default) for h in module.HYPERPARAMETERS}, noise)
    step = module.MODELS[model][law]
    state, (_, d, lanes) = start.copy(), start.shape
    g, scale, curvature = np.empty((d, lanes)), np.repeat(s[:, None], lanes, axis=1), np.zeros((2, d, lanes))
    plan = (0, last, 1, step.noises, 1, LAW_CODES[law], SEED)
    draws = np.empty((8 * step.noises, d, lanes))
    draw_functions(noise.law)[0](draws, d, 0, PATH, model == "algorithm", plan, noise.law_data)
    for k in range(first, last):
        g[:] = H @ state[0]
        arguments = (g, scale, curvature, draws[k * step.noises : (k + 1) * step.noises], p, k + 1, p[0] * k, p[0])
        if step.along is not None:
            step.along(state, *arguments)
            curvature[0], curvature[1] = H @ curvature[0], 0.0
        step(state, *arguments)
    return state, p


VALUES = {"lr": 0.05, "beta1": 0.6, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.2}


def every_model() -> dict[str, dict[str, float]]:
    """The largest difference between a CUDA kernel and the CPU's step after five steps, relative to 1 + |y|."""
    rng, lanes, first, last = np.random.default_rng(3), 3, 2, 7
    found = {}
    for optimizer in names():
        module = importlib.import_module(f"adasde.kernels.cuda.{optimizer}")
        for model, laws in module.MODELS.items():
            for law, kernel in laws.items():
                start = rng.uniform(0.2, 1.0, (len(kernels(optimizer).STATES), 2, lanes))
                s = np.array([0.4, 0.7])
                expected, p = reference(optimizer, model, law, first, last, start, s)
                found[f"{optimizer} {model} {law}"] = {
                    T.__name__: _difference(kernel, T, expected, p, first, last, start, s)
                    for T in (np.float32, np.float64)
                }
    return found


def _difference(kernel: Any, T: Any, expected: Any, p: Any, first: int, last: int, start: Any, s: Any) -> float:
    state, xs = start.astype(T), np.zeros((2, *start.shape[1:]), T)
    table = kernel.table(p, first, last, 1).astype(T)
    launch = built(kernel, T, 2, 1, losses.DENSE)[1, start.shape[2]]
    launch(state, s.astype(T), H.ravel().astype(T), table, first, last, np.array([first, last]), xs, PATH, SEED)
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


def said(gpu: Any) -> Any:
    """What the checks of W3 in float64 find, or why they fail."""
    try:
        return gpu.correctness(gpu.W3, "float64")
    except gpu.Disagreement as error:
        return str(error)


if __name__ == "__main__":
    sections = {
        f.__name__: f for f in (known_answers, normals, every_model, families, ensembles, moments, batches, benchmark)
    }
    print(json.dumps({name: sections[name]() for name in sys.argv[1:] or sections}))
