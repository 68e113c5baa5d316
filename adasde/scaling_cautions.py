"""What a user should know before pasting what a scaling rule gives. Loads sympy when called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adasde.noise_scale import MeasuredNoiseScale
from adasde.scaling_slope import linear_share

if TYPE_CHECKING:
    from adasde.scaling import Scaling

SHORT_WINDOW = 3.0
"""Steps of the averaging window 1/(1 - beta1) below which it is no average any more."""
LINEAR = 0.95
"""Share of the linear slope below which a caution says so."""
ROUNDING = {"float32": 2.0**-25, "bfloat16": 2.0**-9}
"""Half of the distance from 1 to the number below it: 1 - lr wd is 1 where lr wd is at most that."""


def cautions_about(found: Scaling, noise_scale: MeasuredNoiseScale | None) -> list[str]:
    """Cautions in words: the regime, windows that are short, decays that vanish in rounding, what is left as it is."""
    from adasde.derive.one_step import decay_in_the_loss

    cautions = []
    verdict, regime = found.regime_test["verdict"], found.derived.regime
    if verdict == "not measured":
        cautions.append(
            f"the regime is not measured: the rule holds where batches are {regime}; give --noise-scale or --grad-stats"
        )
    elif verdict != regime:
        cautions.append(f"measured: {verdict}; the rule printed here is for the {regime} regime")
    ends = noise_scale.open(found.batch) if noise_scale is not None else None
    if ends is not None:
        low, high = ends
        cautions.append(f"the interval of the noise scale reaches from {low} to {high}: measure with more samples")
    states = {h.name: h for h in found.rule.hyperparameters if h.rate is not None}
    for name in states:
        rate = 1 - found.after[name]
        if name == "beta1" and rate > 1 / SHORT_WINDOW:
            window = 1 / rate
            cautions.append(
                f"the momentum window 1/(1 - {name}) is {window:.3g} steps, under three: it hardly averages any more"
            )
    found_shares = (linear_share(found, found.rule_values(v), 1.0) for v in (found.before, found.after))
    shares = [share for share in found_shares if share is not None]
    if regime == "noise-dominated" and len(shares) == 2 and min(shares) < LINEAR:
        old, new = (f"{1 - share:.0%}" for share in shares)
        cautions.append(
            f"the averaged gradient fluctuates like the noise that is to smooth the step: the rule takes its mean to "
            f"first order in it, which is off by {old} at the old batch and {new} at the new one"
        )
    if found.derived.lost:
        size = f"1 - beta2 = {1 - found.after['beta2']:.3g} << 1" if "beta2" in states else "it averages many steps"
        cautions.append(f"the noise of the second moment grows with the batch, per sample: it is small while {size}")
    decay = found.rule_values(found.after)
    coupled = decay_in_the_loss(found.rule)
    if decay.get("weight_decay") and coupled is None:
        product = decay["lr"] * decay["weight_decay"]
        cautions += [
            f"lr wd = {product:.2g} vanishes in {dtype}: for weights kept in it, weight decay does nothing"
            for dtype, rounding in ROUNDING.items()
            if product <= rounding
        ]
    for name in found.derived.undetermined:
        added = coupled is not None and name == coupled.name
        why = "is added to the gradient, a part of the loss" if added else "appears in no leading term"
        cautions.append(f"{name} {why}: it is left as it is")
    return cautions
