"""Reference trajectories of torch.optim (float64), for tests that run without torch.

Open loop: one stored gradient array is fed at every step, whatever x is, so an implementation under test
needs no loss and its differences do not feed back. The array holds magnitudes from 1e-6 to 1, both signs,
and exact zeros.

    python tests/reference/make_torch_trajectories.py             # write the committed file
    python tests/reference/make_torch_trajectories.py --check     # recompute it and compare, bit for bit

The bits are those of a processor with fused multiply-add (AVX2 and AVX512 agree); torch without it
differs in the last place, and the check then names the largest difference.

RMSprop with decoupled decay (RMSprop-W) is absent: torch.optim has none.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

COMMITTED = Path(__file__).with_name("torch_trajectories.npz")
TORCH = "2.13.0"
SEED = 20130
D, STEPS, EVERY = 12, 200, 20
LATE = (0, 5, 9)  # coordinates whose gradient is exactly zero in steps 1-10
ISOLATED = ((37, 1), (38, 5), (61, 2), (61, 8), (90, 3), (120, 4), (143, 11), (180, 6), (200, 7), (200, 0))

BUFFERS = {
    "SGD": (),
    "RMSprop": ("square_avg",),
    "Adam": ("exp_avg", "exp_avg_sq"),
    "AdamW": ("exp_avg", "exp_avg_sq"),
}


def settings() -> list[dict[str, Any]]:
    """One entry per case; every key but `case` and `optimizer` is an argument of torch.optim.<optimizer>."""
    return [
        _case("sgd", "SGD", lr=0.1),
        _case("rmsprop", "RMSprop", lr=1e-2, alpha=0.99, eps=1e-8),
        _case("adam_1", "Adam", lr=1e-3, betas=(0.9, 0.999), eps=1e-8),
        _case("adam_2", "Adam", lr=1e-2, betas=(0.8, 0.95), eps=1e-8),
        _case("adamw_1", "AdamW", lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2),
        _case("adamw_2", "AdamW", lr=1e-2, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    ]


def _case(case: str, optimizer: str, **hyper: Any) -> dict[str, Any]:
    return {"case": case, "optimizer": optimizer, **hyper}


def inputs() -> tuple[np.ndarray, np.ndarray]:
    """The start x0, shape (D,), and the gradients of steps 1..STEPS, shape (STEPS, D)."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    x0 = rng.standard_normal(D)
    centre = 6 * (rng.permutation(D) + rng.random(D)) / D  # decades above 1e-6, stratified over coordinates
    drift = 0.03 * np.cumsum(rng.standard_normal((STEPS, D)), axis=0)
    decades = (centre + drift + 0.3 * rng.standard_normal((STEPS, D))) % 12
    decades = np.minimum(decades, 12 - decades)  # reflected into [0, 6], so still uniform
    lean = 0.1 * np.cumsum(rng.standard_normal((STEPS, D)), axis=0)
    sign = np.where(lean + rng.standard_normal((STEPS, D)) < 0, -1.0, 1.0)
    g = sign * 10.0 ** (decades - 6)
    g[:10, LATE] = 0.0
    for step, i in ISOLATED:
        g[step - 1, i] = 0.0
    return _round(x0), _round(g)


def _round(a: np.ndarray) -> np.ndarray:
    """To 40 significant bits, so that the last bit of the machine's log and pow does not show."""
    mantissa, exponent = np.frexp(a)
    rounded: np.ndarray = np.ldexp(np.rint(np.ldexp(mantissa, 40)), exponent - 40)
    return rounded


def trajectories() -> dict[str, np.ndarray]:
    """`gradients`, `buffer_steps`, and `<case>/x`, `<case>/<buffer>` of each case; `about` explains them."""
    x0, g = inputs()
    out = {"gradients": g, "buffer_steps": np.arange(EVERY, STEPS + 1, EVERY)}
    for case in settings():
        out |= _run(case, x0, g)
    return out


def _run(case: dict[str, Any], x0: np.ndarray, g: np.ndarray) -> dict[str, np.ndarray]:
    import torch

    hyper = {k: v for k, v in case.items() if k not in ("case", "optimizer")}
    if case["optimizer"] != "RMSprop":  # which has no fused form, and no such argument
        hyper["fused"] = False
    x = torch.tensor(x0, dtype=torch.float64, device="cpu", requires_grad=True)
    optimizer = getattr(torch.optim, case["optimizer"])([x], foreach=False, **hyper)
    rows: dict[str, list[np.ndarray]] = {"x": [x0], **{b: [] for b in BUFFERS[case["optimizer"]]}}
    for step in range(1, STEPS + 1):
        x.grad = torch.tensor(g[step - 1], dtype=torch.float64, device="cpu")
        optimizer.step()
        rows["x"].append(x.detach().numpy().copy())
        if step % EVERY == 0:
            for b in BUFFERS[case["optimizer"]]:
                rows[b].append(optimizer.state[x][b].numpy().copy())
    return {f"{case['case']}/{name}": np.stack(r) for name, r in rows.items()}


def about() -> dict[str, Any]:
    """What the npz says of itself, in its member `about` (JSON)."""
    import torch

    n = STEPS // EVERY
    return {
        "made_by": "tests/reference/make_torch_trajectories.py",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "seed": SEED,
        "dtype": "float64",
        "foreach": False,
        "fused": False,
        "settings": settings(),
        "buffers": {case["case"]: BUFFERS[case["optimizer"]] for case in settings()},
        "arrays": {
            "gradients": f"({STEPS}, {D}): row t-1 is fed at step t = 1..{STEPS}, whatever x is",
            "buffer_steps": f"({n},): the steps t after which the buffers were read",
            "<case>/x": f"({STEPS + 1}, {D}): row t is x after step t; row 0 is the start",
            "<case>/exp_avg": f"({n}, {D}): m, not bias corrected, after steps buffer_steps",
            "<case>/exp_avg_sq": f"({n}, {D}): v, not bias corrected, after steps buffer_steps",
            "<case>/square_avg": f"({n}, {D}): v of RMSprop after steps buffer_steps",
        },
        "absent": "RMSprop-W: torch.optim has no RMSprop with decoupled decay",
    }


def first_difference(path: Path) -> str | None:
    """What differs first between the file and a fresh computation, bit for bit; None when nothing does."""
    fresh, here = trajectories(), json.loads(json.dumps(about()))
    with np.load(path) as stored:
        for name in [*fresh, *(k for k in stored.files if k not in fresh and k != "about")]:
            if name not in fresh or name not in stored.files:
                return f"{name}: only {'in the file' if name in stored.files else 'recomputed'}"
            a, b = stored[name], fresh[name]
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"{name}: {a.dtype}{a.shape} in the file, {b.dtype}{b.shape} recomputed"
            if a.tobytes() != b.tobytes():
                return f"{name}: largest difference {np.max(np.abs(a - b)):.3g}"
        there = json.loads(str(stored["about"])) if "about" in stored.files else {}
    for key in ("torch", "numpy"):  # a newer version that gives the same bits is welcome
        if there.get(key) != here[key]:
            print(f"note: made with {key} {there.get(key)}, checked with {here[key]}", file=sys.stderr)
    differing = [k for k in here | there if k not in ("torch", "numpy") and here.get(k) != there.get(k)]
    return f"about: {', '.join(differing)}" if differing else None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=COMMITTED, metavar="PATH", help="the npz (default: committed)")
    parser.add_argument("--check", action="store_true", help="compare with it bit for bit and write nothing")
    args = parser.parse_args(argv)
    try:
        if args.check:
            difference = first_difference(args.out)
            print(f"{args.out.name}: " + (f"differs at {difference}" if difference else "same bits"))
            return 1 if difference else 0
        members: dict[str, Any] = trajectories() | {"about": np.array(json.dumps(about()))}
    except FileNotFoundError:
        parser.exit(3, f"no file {args.out}: run without --check to write it\n")
    except ModuleNotFoundError as missing:
        parser.exit(2, f"{missing}: pip install torch=={TORCH}\n")
    with args.out.open("wb") as f:  # a name would be given the ending .npz when it has none
        np.savez_compressed(f, **members)
    print(f"{args.out.name}: {len(members)} arrays, {args.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
