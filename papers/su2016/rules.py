"""Nesterov's method as a rule on its continuous clock: eta is the root of its step s, and m = -(x_k - x_(k-1))/eta."""

from adasde.derive.language import eta, gradient, k, m, update_rule, x

CITE = "W. Su, S. Boyd and E. Candes, JMLR 17, 2016, arXiv:1503.01243"
FADING = 1 - 3 / k / (1 + 2 / k)
"""(k - 1)/(k + 2), in powers of 1/k, which is eta/t."""


@update_rule(states=(x, m), dialect="paper", cite=CITE)
def nesterov_fading():
    """Nesterov's method: a step s = eta^2 from y = x + (k - 1)/(k + 2) (x - x of the step before)."""
    m_next = FADING * m + eta * gradient(x - eta * FADING * m)
    return {x: x - eta * m_next, m: m_next}
