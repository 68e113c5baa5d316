"""The verification ladder, rung by rung."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adasde import optimizers
from adasde.noise import Noise, parse_noise
from adasde.verify.check import Check
from adasde.verify.claims import published_forms
from adasde.verify.closed_forms import closed_forms
from adasde.verify.kernels import generated_kernels
from adasde.verify.moments import one_step
from adasde.verify.refinement import refinement
from adasde.verify.setting import setting

RUNGS = {1: "published forms", 2: "one-step moments", 3: "kernels", 4: "closed forms", 5: "weak orders", 6: "time step"}


def verify(optimizer: str, model: str = "sde", *, noise: Noise | str, **arguments: Any) -> Iterator[Check]:
    """Checks of one optimizer and one SDE model, as they come, in the order of the ladder.

    1 published against derived, 2 one-step moments and local weak error by quadrature, 3 generated kernels, 4 closed
    forms, 6 the final loss at dt = eta, eta/4, eta/16 on the given loss, and at half of eta where it may differ.
    Statistical checks use fixed seeds and fail with probability at most 1e-4 each (rung 6: 2 % together) when what they
    check is right. Arguments as in `adasde.simulate`; ``margin`` and ``level`` as in `adasde.compare`.
    """
    noise = parse_noise(noise) if isinstance(noise, str) else noise
    known = {name for h in optimizers.kernels(optimizer).HYPERPARAMETERS for name in (h.name, *h.aliases)}
    given = {name: value for name, value in arguments.items() if name in known}
    values = optimizers.hyperparameters(optimizer, given)
    subject = setting(optimizer, model, noise, values)
    yield from published_forms(subject)
    yield from one_step(subject)
    yield from generated_kernels(subject)
    yield from closed_forms(subject)
    yield from refinement(subject, arguments | {"noise": noise})
