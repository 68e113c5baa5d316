"""Lines to paste: an optimizer with its hyperparameters in torch and in optax. Loads sympy when called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adasde.derive.rule import UpdateRule

OPTAX_RMS = "decay={beta2}, eps={eps}, eps_in_sqrt=False"
"""optax puts eps inside the root by default, which is another optimizer."""
TORCH = {
    "sgd": "torch.optim.SGD(params, lr={lr})",
    "momentum": "torch.optim.SGD(params, lr={lr}, momentum={beta1})",
    "rmsprop": "torch.optim.RMSprop(params, lr={lr}, alpha={beta2}, eps={eps})",
    "adam": "torch.optim.Adam(params, lr={lr}, betas=({beta1}, {beta2}), eps={eps})",
    "adamw": "torch.optim.AdamW(params, lr={lr}, betas=({beta1}, {beta2}), eps={eps}, weight_decay={weight_decay})",
}
MOSAICML = {
    "adamw": (
        "composer.optim.DecoupledAdamW(params, lr={lr}, betas=({beta1}, {beta2}), eps={eps}, "
        "weight_decay={weight_decay})"
    ),
}
OPTAX = {
    "sgd": "optax.sgd(learning_rate={lr})",
    "momentum": "optax.sgd(learning_rate={lr}, momentum={beta1})",
    "signsgd": "optax.sign_sgd(learning_rate={lr})",
    "rmsprop": f"optax.rmsprop(learning_rate={{lr}}, {OPTAX_RMS})",
    "rmspropw": (
        f"optax.chain(optax.scale_by_rms({OPTAX_RMS}), optax.add_decayed_weights({{weight_decay}}), "
        "optax.scale_by_learning_rate({lr}))"
    ),
    "adam": "optax.adam(learning_rate={lr}, b1={beta1}, b2={beta2}, eps={eps})",
    "adamw": "optax.adamw(learning_rate={lr}, b1={beta1}, b2={beta2}, eps={eps}, weight_decay={weight_decay})",
    "lion": "optax.lion(learning_rate={lr}, b1={beta1}, b2={beta2}, weight_decay={weight_decay})",
    "signum": (
        "optax.chain(optax.ema({beta1}, debias=False), optax.scale_by_sign(), optax.scale_by_learning_rate({lr}))"
    ),
}


def torch_line(rule: UpdateRule, values: Mapping[str, float], dialect: str) -> str | None:
    """The optimizer in torch (in MosaicML's library for that dialect); None where it has no such optimizer."""
    return _filled((MOSAICML if dialect == "mosaicml" else TORCH).get(library_name(rule) or ""), values)


def optax_line(rule: UpdateRule, values: Mapping[str, float]) -> str | None:
    """The optimizer in optax, whose decay is that of the rule; None where it has no such optimizer."""
    return _filled(OPTAX.get(library_name(rule) or ""), values)


def library_name(rule: UpdateRule) -> str | None:
    """Which of these optimizers the rule is, by its update and not by its name."""
    from sympy import expand, sign

    from adasde.derive.notation import Share, beta1, beta2, eta, g, m, theta, x
    from adasde.derive.optimizers import registry

    share = Share("beta1", positive=True)
    average, interpolated = beta1 * m + (1 - beta1) * g, share * m + (1 - share) * g
    known = {name: shipped.update for name, shipped in registry().items()} | {
        "momentum": (x - eta * (beta1 * m + g), beta1 * m + g),
        "lion": (x - eta * (sign(interpolated) + theta * x), beta2 * m + (1 - beta2) * g),
        "signum": (x - eta * sign(average), average),
    }
    for name, update in known.items():
        same = len(update) == len(rule.update)
        if same and all(expand(a - b) == 0 for a, b in zip(update, rule.update, strict=True)):
            return name
    return None


def _filled(template: str | None, values: Mapping[str, float]) -> str | None:
    return None if template is None else template.format(**{name: f"{value:.10g}" for name, value in values.items()})
