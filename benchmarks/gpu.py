"""Checks the CUDA kernels on a GPU against the CPU's, measures them, and writes benchmarks/gpu_results.json.

    python benchmarks/gpu.py [--quick] [--out FILE]

For W1 to W3 in float32 and float64. First the results must be right: every single path is that of the CPU on the same
draws, up to rounding; means and covariances of other draws are within 5 standard errors of the CPU's; and the bytes
are the same however paths are cut into batches. Then the speed: path-steps per second of wall time of a whole
simulation, copies and moments included, the kernels being compiled before. Nothing is written unless all of it was
measured on the GPU that the file names; without one the script ends with exit code 3.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from measure import STANDARD_ERRORS, Disagreement, Figure
from workloads import ETA, SAVES, SIGMA, STEPS, W1, W2, W3, X0, H, Result, Workload

import adasde
import adasde.cuda
from adasde.cuda import DeviceRun, require_gpu, require_package, simulate_on_gpu, simulated
from adasde.ensemble import Ensemble
from adasde.errors import MissingData
from adasde.plan import plan
from adasde.run import Run

WORKLOADS = (W1, W2, W3)
PATH_ERROR = {"float64": 1e-9, "float32": 2e-3}
"""Largest difference of a path from the CPU's after 1000 steps, relative to 1 + |x|: rounding of each step, which the
dynamics damp, with room for Adam's division by a small root."""
COMPARED_PATHS, CPU_PATHS = 4096, 65_536


def run_of(workload: Workload, paths: int, seed: int) -> Run:
    """The workload as a checked run."""
    return plan(
        workload.optimizer,
        workload.model,
        adasde.Quadratic(H),
        adasde.gaussian(SIGMA),
        STEPS,
        paths,
        seed,
        1,
        workload.start,
        SAVES,
        X0,
        workload.init,
        {"lr": ETA, **workload.hyperparameters},
    )


def result_of(ensemble: Ensemble) -> Result:
    if ensemble.cov is None or ensemble.diverged.any():
        raise Disagreement(f"{int(ensemble.diverged.max())} paths diverged")
    return Result(int(ensemble.n[0]), ensemble.mean, ensemble.cov)


def path_error(workload: Workload, precision: str) -> float:
    """The largest difference of any coordinate of any path at any saved time from the CPU's, relative to 1 + |x|."""
    run = run_of(workload, COMPARED_PATHS, 1)
    found = DeviceRun(run, precision).positions(range(run.leaves)).copy_to_host()
    expected = np.concatenate([run.block(*block)[0] for n in range(run.leaves) for block in run.blocks(n)], axis=2)
    return float((np.abs(found - expected) / (1 + np.abs(expected))).max())


def correctness(workload: Workload, precision: str) -> dict[str, float]:
    """The three checks. Raises `Disagreement` where one fails."""
    name = f"{workload.name} in {precision}"
    error = path_error(workload, precision)
    if not error < PATH_ERROR[precision]:
        raise Disagreement(f"{name}: a path is off by {error:.1e}, more than {PATH_ERROR[precision]:g}")
    ensemble = simulate_on_gpu(run_of(workload, CPU_PATHS, 2), precision)
    distance = result_of(ensemble).distance(workload.simulate(CPU_PATHS, seed=3))
    if not distance < STANDARD_ERRORS:
        raise Disagreement(f"{name}: {distance:.1f} standard errors from the CPU")
    if not same_in_small_batches(workload, precision, ensemble):
        raise Disagreement(f"{name}: the result depends on how paths are cut into batches")
    return {"path_error": error, "standard_errors_from_cpu": distance}


def same_in_small_batches(workload: Workload, precision: str, ensemble: Ensemble) -> bool:
    """Whether batches of one leaf and launches of 300 steps give the same bytes."""
    kept = adasde.cuda.BATCH_BYTES, adasde.cuda.STEPS_PER_LAUNCH
    adasde.cuda.BATCH_BYTES, adasde.cuda.STEPS_PER_LAUNCH = 1, 300
    try:
        other = simulate_on_gpu(run_of(workload, CPU_PATHS, 2), precision)
    finally:
        adasde.cuda.BATCH_BYTES, adasde.cuda.STEPS_PER_LAUNCH = kept
    names = ("count", "mean", "m2", "loss")
    return all(getattr(other.moments, n).tobytes() == getattr(ensemble.moments, n).tobytes() for n in names)


def speed(workload: Workload, precision: str, paths: int, rounds: int) -> Figure:
    """Path-steps per second of wall time over ``rounds`` simulations, after one that compiles."""
    simulate_on_gpu(run_of(workload, paths, 10), precision)
    rates = []
    for number in range(rounds):
        run = run_of(workload, paths, 11 + number)
        begin = time.perf_counter()
        simulate_on_gpu(run, precision)
        rates.append(paths * STEPS / (time.perf_counter() - begin))
    return Figure.of(rates)


def machine() -> dict[str, Any]:
    """The GPU by name, and the versions that matter."""
    from numba import cuda

    device = cuda.get_current_device()
    name = device.name
    return {
        "gpu": name.decode() if isinstance(name, bytes) else name,
        "compute_capability": list(device.compute_capability),
        "multiprocessors": device.MULTIPROCESSOR_COUNT,
        "cuda": list(cuda.runtime.get_version()),
        "python": platform.python_version(),
        **{package: version(package) for package in ("numpy", "numba", "numba-cuda")},
    }


def measure(quick: bool) -> dict[str, Any]:
    """All checks and all measurements, workload by workload."""
    paths, rounds = (1 << 18, 3) if quick else (1 << 20, 5)
    results: dict[str, Any] = {
        "command": "python benchmarks/gpu.py" + " --quick" * quick,
        "machine": machine(),
        "problem": {"H": H.tolist(), "x0": X0.tolist(), "eta": ETA, "sigma": SIGMA, "steps": STEPS, "paths": paths},
        "workloads": {},
    }
    for workload in WORKLOADS:
        for precision in adasde.cuda.PRECISIONS:
            found: dict[str, Any] = correctness(workload, precision)
            found["path_steps_per_second"] = asdict(speed(workload, precision, paths, rounds))
            results["workloads"].setdefault(workload.name, {})[precision] = found
            rate = found["path_steps_per_second"]["median"]
            print(f"{workload.name} {precision}: {rate:.3g} path-steps/s, {found}", flush=True)
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Refuses without a GPU; otherwise checks, measures and writes. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer paths and rounds")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("gpu_results.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        if simulated():
            raise MissingData("NUMBA_ENABLE_CUDASIM is set: numba's simulator is no GPU, and its speed means nothing")
        require_package()
        require_gpu()
    except MissingData as error:
        print(f"benchmarks/gpu.py needs a GPU; nothing was measured or written. {error}", file=sys.stderr)
        return 3
    try:
        results = measure(options.quick)
    except Disagreement as error:
        print(f"nothing was written: {error}", file=sys.stderr)
        return 1
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
