"""The experiments that check the SDEs: quadratic, embedded saddle, and a network on breast cancer.

All use the full-batch gradient plus injected Gaussian noise. Sizes are ours; the paper's network has ten layers of
twenty ReLU units with sigma = 0.01 and eta = 1e-4.
"""

from __future__ import annotations

from adasde.papers.experiment import Experiment, Picture

OPTIMIZERS = ("sgd", "signsgd", "rmsprop", "rmspropw", "adam", "adamw")


def _settings(lr: float, **other: float) -> dict[str, dict[str, float]]:
    """The same learning rate for all, with the decays of each; ``other`` overrides single learning rates."""
    decays = {"rmsprop": {"beta2": 0.99}, "rmspropw": {"beta2": 0.99}, "adam": {"beta1": 0.9, "beta2": 0.999}}
    decays["adamw"] = decays["adam"]
    settings = {name: {"lr": other.get(name, lr), **decays.get(name, {})} for name in OPTIMIZERS}
    for name in ("rmspropw", "adamw"):
        settings[name] = settings[name] | {"weight_decay": 0.1}
    return settings


EXPERIMENTS = (
    Experiment(
        figure="quadratic",
        title="Quadratic, H = diag(1, 2), sigma = 0.5",
        loss="quadratic:1,2",
        noise="gaussian:0.5",
        x0=(1.0, -1.0),
        hyperparameters=_settings(0.01),
        quick={"steps": 1000, "paths": 16_384},
        full={"steps": 1000, "paths": 131_072},
    ),
    Experiment(
        figure="saddle",
        title="Embedded saddle, H = diag(-1, 2), sigma = 0.25",
        loss="saddle",
        noise="gaussian:0.25",
        x0=(0.3, 0.3),
        hyperparameters=_settings(0.002, sgd=0.01),
        quick={"steps": 1000, "paths": 16_384},
        full={"steps": 1000, "paths": 131_072},
    ),
    Experiment(
        figure="mlp",
        title="MLP 30-20-2 on breast cancer, sigma = 0.01",
        loss="mlp:breast_cancer",
        noise="gaussian:0.01",
        hyperparameters=_settings(1e-3, sgd=0.02, adam=2e-3, adamw=2e-3),
        quick={"steps": 150, "paths": 16},
        full={"steps": 2000, "paths": 64},
        remark="one hidden layer of 20 tanh units in place of ten layers of ReLU units; larger learning rates",
    ),
)

PICTURES = (
    Picture(
        figure="phases",
        title="The phases of SignSGD",
        settings={
            "curvature": 1.0,
            "noise": "gaussian:1",
            "lr": 0.005,
            "start": 6.0025,
            "steps": 2400,
            "coordinates": 8,
        },
        quick=4_096,
        full=65_536,
    ),
    Picture(
        figure="bounds",
        title="Loss levels where the bounds are tight: one curvature",
        settings={
            "curvature": 1.0,
            "noise": "gaussian:1",
            "coordinates": 16,
            "steps": 600,
            "optimizers": {
                "sgd": {"lr": 0.1},
                "signsgd": {"lr": 0.1},
                "rmsprop": {"lr": 0.1, "beta2": 0.99},
                "rmspropw": {"lr": 0.1, "beta2": 0.99, "weight_decay": 0.5},
                "adam": {"lr": 0.1, "beta1": 0.9, "beta2": 0.99},
                "adamw": {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.5},
                "rmsprop + L2": {"lr": 0.1, "beta2": 0.99, "coupled": 0.5},
                "adam + L2": {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "coupled": 0.5},
            },
        },
        quick=8_192,
        full=65_536,
    ),
    Picture(
        figure="heavy-tails",
        title="SignSGD and SGD under Student-t noise",
        settings={"curvature": 1.0, "scale": 1.0, "lr": 0.02, "start": 3.01, "steps": 600, "degrees": (1, 2, 3)},
        quick=16_384,
        full=131_072,
    ),
    Picture(
        figure="schedules",
        title="Learning rates eta (1 + c t)^-p",
        settings={
            "curvature": 1.0,
            "noise": "gaussian:1",
            "lr": 0.02,
            "start": 0.3,
            "steps": 10_000,
            "decay": 0.5,
            "exponents": (0.5, 1.0, 2.0),
        },
        quick=16_384,
        full=131_072,
    ),
)
"""Phases, loss bounds, heavy tails and schedules, on quadratics where their laws are known; sizes are ours."""
