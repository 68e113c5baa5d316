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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
COMMITTED = Path(__file__).with_name("zoo_trajectories.npz")
SEED, D, STEPS, LATE = 60200, 24, 200, 3
SAVED = (1, 2, 3, 5, 10, 20, 50, 100, 150, 200)
Walk = Iterator[tuple[Array, Callable[[Array], Array]]]
"""Pairs of x and of what moves x by a gradient and returns what is shown of it."""
LR = 1e-2
BETAS = {"beta1": 0.9, "beta2": 0.999}


def case(name: str, rule: str, package: str, optimizer: str, ours: dict[str, float], **theirs: Any) -> dict[str, Any]:
    """One comparison: our rule with its hyperparameters, and the package's optimizer with its arguments."""
    return {"case": name, "rule": rule, "package": package, "optimizer": optimizer, "ours": ours, "theirs": theirs}


def settings() -> list[dict[str, Any]]:
    """All comparisons; ``lr`` goes to both sides."""
    po = "pytorch_optimizer"
    return [
        case("sgd", "sgd", "optax", "sgd", {}),
        case("sgd_coupled", "sgd_coupled", "torch", "SGD", {"weight_decay": 0.1}, weight_decay=0.1),
        case("adam", "adam", "optax", "adam", BETAS),
        case("adamw", "adamw", "optax", "adamw", BETAS | {"weight_decay": 0.02}, weight_decay=0.02),
        case("adam_coupled", "adam_coupled", "torch", "Adam", BETAS | {"weight_decay": 0.02}, weight_decay=0.02),
        case("rmsprop", "rmsprop", "optax", "rmsprop", {"beta2": 0.9}, decay=0.9, eps_in_sqrt=False),
        case("rmsprop_optax", "rmsprop_optax", "optax", "rmsprop", {}),
        case("signsgd", "signsgd", "optax", "sign_sgd", {}),
        case("momentum", "momentum", "torch", "SGD", {"beta1": 0.9}, momentum=0.9),
        case("momentum optax", "momentum", "optax", "sgd", {"beta1": 0.9}, momentum=0.9),
        case(
            "momentum damped",
            "momentum",
            "torch",
            "SGD",
            {"beta1": 0.9, "dampening": 0.5, "weight_decay": 0.02},
            momentum=0.9,
            dampening=0.5,
            weight_decay=0.02,
        ),
        case(
            "nesterov",
            "nesterov",
            "torch",
            "SGD",
            {"weight_decay": 0.02},
            momentum=0.9,
            nesterov=True,
            weight_decay=0.02,
        ),
        case("nesterov optax", "nesterov", "optax", "sgd", {}, momentum=0.9, nesterov=True),
        case("sgdw", "sgdw", po, "SGDW", {"weight_decay": 0.02}, momentum=0.9, weight_decay=0.02),
        case("signum", "signum", "optax", "signum", {}),
        case("signum decayed", "signum", po, "SignSGD", {"weight_decay": 0.02}, weight_decay=0.02),
        case("tiger", "tiger", po, "Tiger", {}),
        case("lion", "lion", "optax", "lion", {"weight_decay": 0.01}, weight_decay=0.01),
        case("lion decayed", "lion", po, "Lion", {"weight_decay": 0.01}, weight_decay=0.01),
        case("adagrad", "adagrad", "torch", "Adagrad", {"weight_decay": 0.02}, weight_decay=0.02),
        case("adagrad_optax", "adagrad_optax", "optax", "adagrad", {}),
        case("adadelta", "adadelta", "torch", "Adadelta", {"weight_decay": 0.02, "lr": 1.0}, weight_decay=0.02),
        case("adadelta optax", "adadelta", "optax", "adadelta", {"lr": 1.0}),
        case("adamax", "adamax", "torch", "Adamax", {}),
        case("adamax optax", "adamax", "optax", "adamax", {}),
        case("adamax po", "adamax", po, "AdaMax", {}),
        case("amsgrad", "amsgrad", "torch", "Adam", BETAS, amsgrad=True),
        case("amsgrad_optax", "amsgrad_optax", "optax", "amsgrad", BETAS),
        case("nadam", "nadam", "torch", "NAdam", {}),
        case("nadam_optax", "nadam_optax", "optax", "nadam", {}),
        case("radam", "radam", "torch", "RAdam", {}),
        case("radam_optax", "radam_optax", "optax", "radam", {}),
        case("adabelief", "adabelief", "optax", "adabelief", {"floor": 1e-13}),
        case("adabelief po", "adabelief", po, "AdaBelief", {"eps": 1e-8, "floor": 1e-5}, eps=1e-8),
        case("yogi", "yogi", "optax", "yogi", {}),
        case("yogi po", "yogi", po, "Yogi", {}),
        case("adan", "adan", po, "Adan", {"weight_decay": 0.02}, weight_decay=0.02),
        case("adan_optax", "adan_optax", "optax", "adan", {}),
        case("ademamix", "ademamix", "optax", "ademamix", {}),
        case("ademamix po", "ademamix", po, "AdEMAMix", {}),
        case("adopt", "adopt", po, "ADOPT", {}),
        case("adopt_optax", "adopt_optax", "optax", "adopt", {}),
        case("diffgrad", "diffgrad", po, "DiffGrad", {}),
        case("schedule_free_sgd", "schedule_free_sgd", "optax", "schedule_free_sgd", {}),
        case("schedule_free_sgd po", "schedule_free_sgd", po, "ScheduleFreeSGD", {}),
        case("schedule_free_adamw", "schedule_free_adamw", po, "ScheduleFreeAdamW", {}),
        case("schedule_free_adamw optax", "schedule_free_adamw", "optax", "schedule_free_adamw", {"hidden_eps": 0.0}),
        case("sgd_averaged", "sgd_averaged", "torch", "averaged SGD", {"ema": 0.99}),
    ]


def problem() -> tuple[Array, Array, Array, Array]:
    """(x0, a, s, N): the start, slopes and scales (D,), and draws (STEPS, D) that float32 holds exactly."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    spread = [10 ** rng.uniform(low, high, D) for low, high in ((-2, 0.5), (-4, 0))]
    start, draws = rng.standard_normal(D), rng.standard_normal((STEPS, D))
    x0, a, s, noise = (part.astype(np.float32).astype(np.float64) for part in (start, *spread, draws))
    return x0, a, s, noise


def gradient(x: Array, step: int, a: Array, s: Array, noise: Array) -> Array:
    """g at x in step 1 ... STEPS; exactly zero in the first LATE coordinates up to step 10."""
    g = a * x + s * noise[step - 1]
    if step <= 10:
        g[:LATE] = 0.0
    return g


def followed(setting: dict[str, Any], inputs: tuple[Array, Array, Array, Array]) -> Array:
    """x (len(SAVED), D) of the package's optimizer after the steps SAVED; for an average, that of the average."""
    x0, *forces = inputs
    rows = []
    with _walking(setting, x0) as walk:
        for step, (x, advance) in zip(range(1, STEPS + 1), walk, strict=False):
            shown = advance(gradient(x, step, *forces))
            if step in SAVED:
                rows.append(np.array(shown))
    return np.array(rows)


@contextmanager
def _walking(setting: dict[str, Any], x0: Array) -> Iterator[Walk]:
    """The walk of a package, in double precision throughout: torch's NAdam keeps its product of momenta in torch's
    default type."""
    if setting["package"] == "optax":
        import jax

        jax.config.update("jax_enable_x64", True)
        yield _optax(setting, x0)
        return
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield _torch(setting, x0)
    finally:
        torch.set_default_dtype(before)


def _torch(setting: dict[str, Any], x0: Array) -> Walk:
    import importlib

    import torch

    class Point(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = torch.nn.Parameter(torch.tensor(x0, dtype=torch.float64))

    point = Point()
    name = setting["optimizer"].rpartition(" ")[2]
    home = importlib.import_module("torch.optim" if setting["package"] == "torch" else setting["package"])
    lr = setting["ours"].get("lr", LR)
    optimizer = getattr(home, name)([point.x], lr=lr, foreach=False, **setting["theirs"])
    if hasattr(optimizer, "train"):
        optimizer.train()
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(setting["ours"].get("ema", 0.0))
    mean = torch.optim.swa_utils.AveragedModel(point, multi_avg_fn=average)

    def advance(g: Array) -> Array:
        point.x.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        mean.update_parameters(point)
        shown: Array = (mean.module.x if "averaged" in setting["optimizer"] else point.x).detach().numpy().copy()
        return shown

    while True:
        yield point.x.detach().numpy().copy(), advance


def _optax(setting: dict[str, Any], x0: Array) -> Walk:
    import jax
    import jax.numpy as jnp
    import optax

    name = setting["optimizer"]
    home = optax if hasattr(optax, name) else optax.contrib
    optimizer = getattr(home, name)(setting["ours"].get("lr", LR), **setting["theirs"])
    update = jax.jit(optimizer.update)
    held = {"x": jnp.array(x0)}
    held["state"] = optimizer.init(held["x"])

    def advance(g: Array) -> Array:
        change, held["state"] = update(jnp.array(g), held["state"], held["x"])
        held["x"] = optax.apply_updates(held["x"], change)
        return np.array(held["x"])

    while True:
        yield np.array(held["x"]), advance


def trajectories() -> dict[str, Array]:
    """The problem, and x of every case."""
    inputs = problem()
    names = dict(zip(("x0", "a", "s"), inputs[:3], strict=True)) | {"noise": inputs[3].astype(np.float32)}
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
