"""Adam's bias-corrected averages move at the printed rates."""

from __future__ import annotations

from adasde.derive.notation import G, m, rho1, t
from adasde.papers.dasilva2020.statements import adam_as_printed

RATE = 1.6


def test_corrected_averages_by_iteration() -> None:
    """(m_hat' - m_hat)/eta at time 1 under a gradient 2 - t, against rho1/(1 - e^(-rho1 t)) (g - m_hat): to O(eta)."""
    errors = []
    for step in (1 / 200, 1 / 400):
        count, decay, first, hats = round(1 / step), 1 - RATE * step, 0.0, []
        for k in range(1, count + 2):
            first = decay * first + (1 - decay) * (2 - k * step)
            hats.append(first / (1 - decay**k))
        found = (hats[-1] - hats[-2]) / step
        printed = float(adam_as_printed()["drift of m"].subs({rho1: RATE, t: 1, G: 1, m: hats[-2]}))
        errors.append(abs(found - printed))
    assert 1.7 < errors[0] / errors[1] < 2.3
