"""Reference trajectories of torch.optim, optax and pytorch_optimizer (float64), for tests that run without them.

Closed loop: both sides compute g = a x + s N_t from their own x, on the same stored draws N_t; a is log-uniform in
10^[-2, 0.5], s in 10^[-4, 0], and the first coordinates have a gradient of exactly zero in steps 1-10. A difference
feeds back, as it does in training.

    python tests/reference/make_zoo_trajectories.py             # write the committed file
    python tests/reference/make_zoo_trajectories.py --check     # recompute it and compare to 1e-13

Needs torch, optax and pytorch_optimizer in the versions that the file names.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from zoo_cases import settings

Array = np.ndarray
COMMITTED = Path(__file__).with_name("zoo_trajectories.npz")
SEED, D, STEPS, LATE = 60200, 24, 200, 3
EXAMPLES = 4
SAVED = (1, 2, 3, 5, 10, 20, 50, 100, 150, 200)


def problem() -> tuple[Array, Array, Array, Array]:
    """(x0, a, s, N): the start, slopes and scales (D,), and draws (STEPS, D) that float32 holds exactly."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    spread = [10 ** rng.uniform(low, high, D) for low, high in ((-2, 0.5), (-4, 0))]
    start, draws = rng.standard_normal(D), rng.standard_normal((STEPS, D))
    x0, a, s, noise = (part.astype(np.float32).astype(np.float64) for part in (start, *spread, draws))
    return x0, a, s, noise


@dataclass(frozen=True, eq=False)
class Force:
    """The gradient of step 1 ... STEPS, also at other points: a x + s N, exactly zero in the first LATE coordinates up
    to step 10. Further examples of a step have the draws of other steps."""

    step: int
    a: Array
    s: Array
    noise: Array

    def draw(self, example: int = 0) -> Array:
        row: Array = self.noise[(self.step - 1 + example * STEPS // EXAMPLES) % STEPS]
        return row

    @property
    def late(self) -> slice:
        """The coordinates without a gradient."""
        return slice(LATE if self.step <= 10 else 0)

    def __call__(self, x: Array, example: int = 0) -> Array:
        g = self.a * x + self.s * self.draw(example)
        g[self.late] = 0.0
        return g


def followed(setting: dict[str, Any], inputs: tuple[Array, Array, Array, Array]) -> Array:
    """x (len(SAVED), D) of the package's optimizer after the steps SAVED; for an average, that of the average."""
    from zoo_packages import walking

    x0, *parts = inputs
    with walking(setting, setting["start"] * x0) as advance:
        rows = [advance(Force(step, *parts)) for step in range(1, STEPS + 1)]
    return np.array([rows[step - 1] for step in SAVED])


def trajectories() -> dict[str, Array]:
    """The problem, the draws of optax's private noise, and x of every case."""
    from zoo_packages import private_normals

    inputs = problem()
    names = dict(zip(("x0", "a", "s"), inputs[:3], strict=True)) | {"noise": inputs[3].astype(np.float32)}
    names["private_normals"] = private_normals(STEPS, D)
    return names | {setting["case"]: followed(setting, inputs) for setting in settings()}


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {package: version(package) for package in ("torch", "optax", "pytorch_optimizer", "jax", "numpy")}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed file and write nothing")
    arguments = parser.parse_args(argv)
    fresh = trajectories()
    if arguments.check:
        with np.load(COMMITTED) as stored:
            gaps = {name: float(np.abs(stored[name] - values).max()) for name, values in fresh.items()}
        worst = max(gaps, key=lambda name: gaps[name])
        print(f"largest difference {gaps[worst]:.2g}, of {worst}")
        return int(gaps[worst] > 1e-13)
    about = {"made_by": "tests/reference/make_zoo_trajectories.py", "versions": versions(), "settings": settings()}
    with COMMITTED.open("wb") as file:
        np.savez_compressed(file, **fresh, about=np.array(json.dumps(about)))  # type: ignore[arg-type]
    print(f"{COMMITTED.name}: {len(fresh)} arrays, {COMMITTED.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
