"""What is compared with torch, optax and pytorch_optimizer: each case with our hyperparameters and theirs.

Composed optimizers are spelled by their parts: ``clip + sgd`` is optax.chain(optax.clip(...), optax.sgd(...)), ``sam of
sgd`` optax.contrib.sam with its way up, ``clip_grad_norm_ + SGD`` that function of torch.nn.utils before each step.
Arguments of a part stand under its name.
"""

from __future__ import annotations

from typing import Any

LR = 1e-2
BETAS = {"beta1": 0.9, "beta2": 0.999}
CLIP, VALUE = {"clip": 0.5}, {"clip_value": 0.5}
PRIVATE_KEY = 0
"""jax's key of optax's private noise, whose draws the committed file has as well."""


def case(
    name: str,
    rule: str,
    package: str,
    optimizer: str,
    ours: dict[str, float],
    shape: tuple[int, ...] = (-1,),
    alike: bool = True,
    start: float = 1.0,
    **theirs: Any,
) -> dict[str, Any]:
    """One comparison: our rule with its hyperparameters, and the package's optimizer with its arguments.

    shape   of the parameters in the package; matrices row by row
    alike   False for a case that stands for a known disagreement
    start   what the start x0 of the protocol is multiplied by
    """
    shown = {"case": name, "rule": rule, "package": package, "optimizer": optimizer, "ours": ours}
    return {**shown, "theirs": theirs, "shape": list(shape), "alike": alike, "start": start}


def settings() -> list[dict[str, Any]]:
    """All comparisons; ``lr`` goes to both sides."""
    return [*elementwise(), *composed(), *whole_vectors(), *matrices()]


def elementwise() -> list[dict[str, Any]]:
    """Optimizers that a package has as such, coordinate by coordinate."""
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
        case("adam_averaged", "adam_averaged", "torch", "averaged Adam", BETAS | {"ema": 0.99}),
    ]


def composed() -> list[dict[str, Any]]:
    """Coordinate by coordinate, composed of a package's parts."""
    rms, unclipped = "scale_by_rms + add_decayed_weights + scale_by_learning_rate", {"use_clipping": False}
    rms_parts = {"scale_by_rms": {"decay": 0.99, "eps_in_sqrt": False}, "add_decayed_weights": {"weight_decay": 0.02}}
    ema_part = {"ema": {"decay": 0.9, "debias": False}}
    return [
        case("clip value", "sgd_clip_value", "torch", "clip_grad_value_ + SGD", CLIP, clip_grad_value_=VALUE),
        case("clip value optax", "sgd_clip_value", "optax", "clip + sgd", CLIP, clip={"max_delta": 0.5}),
        case("ema_momentum", "ema_momentum", "optax", "ema + sgd", {}, **ema_part),
        case("rmspropw", "rmspropw", "optax", rms, {"weight_decay": 0.02}, **rms_parts),
        case("adopt_unclipped", "adopt_unclipped", "optax", "adopt unclipped", {}, alike=False, **unclipped),
        case("usam", "usam", "optax", "sam of sgd", {}),
        case("sam_elementwise", "sam_elementwise", "optax", "sam of scale_by_sign + sgd", {}),
    ]


def whole_vectors() -> list[dict[str, Any]]:
    """Optimizers that take norms of the whole vector, or draw noise of their own."""
    po, private, decayed = "pytorch_optimizer", "differentially_private_aggregate", {"weight_decay": 0.02}
    aggregate = {private: {"l2_norm_clip": 2.0, "noise_multiplier": 0.3, "key": PRIVATE_KEY}}
    ours_private = {"clip": 2.0, "noise_multiplier": 0.3, "batch_size": 4}
    norm = {"clip": 2.0}
    return [
        case("clip norm", "sgd_clip_norm", "torch", "clip_grad_norm_ + SGD", norm, clip_grad_norm_={"max_norm": 2.0}),
        case(
            "clip norm optax",
            "sgd_clip_norm",
            "optax",
            "clip_by_global_norm + sgd",
            norm | {"eps": 0.0},
            clip_by_global_norm={"max_norm": 2.0},
        ),
        case("normalized_sgd", "normalized_sgd", "optax", "normalize_by_update_norm + sgd", {}),
        case("sam", "sam", "optax", "sam of normalize + sgd", {}),
        case("sam po", "sam", po, "SAM", {}, alike=False),
        case("lars", "lars", "optax", "lars", decayed | {"lr": 1.0}, **decayed),
        case("lars po", "lars", po, "LARS", {"lr": 1.0}, (6, 4)),
        case("lars_summed", "lars_summed", po, "LARS", decayed | {"lr": 1.0}, (6, 4), **decayed),
        case("lamb", "lamb", "optax", "lamb", decayed, **decayed),
        case("lamb_clamped", "lamb_clamped", po, "Lamb", decayed, **decayed),
        case("lamb_clamped far", "lamb_clamped", po, "Lamb from 3 x0", decayed, start=3.0, **decayed),
        case("dp_sgd", "dp_sgd", "optax", f"{private} + sgd", ours_private, **aggregate),
        case("dp_signsgd", "dp_signsgd", "optax", f"{private} + sign_sgd", ours_private, **aggregate),
    ]


def matrices() -> list[dict[str, Any]]:
    """Muon on a tall matrix where that changes the step, on a wide one where that does; ``in float64``: the package's
    own code with its bfloat16 read as float64."""
    po, wide, tall = "pytorch_optimizer", (4, 6), (6, 4)
    rows, decay = {"rows": 6, "weight_decay": 0.1}, {"weight_decay": 0.1}
    return [
        case("muon", "muon", "torch", "Muon in float64", rows, tall),
        case("muon wide", "muon", "torch", "Muon in float64", rows | {"rows": 4}, wide),
        case("muon po", "muon", po, "Muon in float64", rows, tall, **decay),
        case("muon bfloat16", "muon", "torch", "Muon", rows, tall, alike=False),
        case("muon po bfloat16", "muon", po, "Muon", rows, tall, alike=False, **decay),
        case("muon_optax", "muon_optax", "optax", "muon without eps", rows | {"rows": 4}, wide, eps=0.0, **decay),
        case("muon_optax tall", "muon_optax", "optax", "muon without eps", rows, tall, eps=0.0, **decay),
        case("muon_optax eps", "muon_optax", "optax", "muon", rows, tall, alike=False, **decay),
    ]
