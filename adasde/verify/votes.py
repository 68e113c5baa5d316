"""The exact law of one step of a rule whose workers send signs: one outcome for each number of workers that send +1.

Workers are independent, so that number is binomial. Its probability is that of one worker, P[a Z + b U + c > 0], by
quadrature over the draw U of its own, with the distribution function of Z inside.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from scipy import stats

from adasde.derive.notation import Z
from adasde.derive.operations import Batch, Own, variables, with_noise, workers
from adasde.ensemble import Array
from adasde.verify.own_laws import SPANS
from adasde.verify.setting import Setting

NODES = 200
"""Gauss-Legendre nodes of a worker's own draw."""
FAR = 1e9
"""A Z that decides a worker's sign, whatever its own draw."""


def message(setting: Setting) -> sp.Expr | None:
    """a Z + b U + c, whose sign each worker sends, where that is all that is random in a step; else None.

    Gaussian noise only, and at most one draw of a worker's own.
    """
    updates = [with_noise(setting.rule.name, update) for update in setting.rule.update]
    found = variables(*updates)
    if setting.noise.law != "gaussian" or len(found) != 1 or not isinstance(found[0], workers):
        return None
    sent = found[0].args[0]
    if any(update.xreplace({found[0]: sp.S.Zero}).has(Z) for update in updates) or not isinstance(sent, sp.sign):
        return None
    line, own = sent.args[0], sent.atoms(Own)
    plain = len(own) <= 1 and not sent.atoms(Batch) and line.is_polynomial(Z, *own)
    return line if plain and sp.Poly(line, Z, *own).total_degree() == 1 else None


def outcomes(setting: Setting, values: dict[str, float]) -> tuple[list[Array], Array]:
    """Draws (m, 1, n + 1) of all kinds under which 0, 1, ..., n workers send +1, and the chances of these (n + 1,)."""
    from adasde.verify.moments import POINT

    sent = message(setting)
    assert sent is not None
    line = sent.subs(POINT | setting.numbers(**values))
    first, *others = setting.algorithm.draws(setting.parameter_array(**values))
    # Layer 0 is the noise of g outside of all workers, which nothing reads.
    n = first - 1
    up = np.arange(n)[:, None] < np.arange(n + 1)
    slope = float(sp.diff(line, Z))
    noise = np.concatenate([np.zeros((1, n + 1)), np.where(up, FAR, -FAR) * np.sign(slope)])
    still = [np.zeros((count, 1, n + 1)) for count in others]
    return [noise[:, None, :], *still], stats.binom.pmf(np.arange(n + 1), n, _chance(line, abs(slope)))


def _chance(line: sp.Expr, slope: float) -> float:
    """P[line > 0]."""
    own = line.atoms(Own)
    if not own:
        return float(stats.norm.cdf(float(line.subs(Z, 0)) / slope))
    (draw,) = own
    low, high, density = SPANS[draw.kind]
    places, weights = np.polynomial.legendre.leggauss(NODES)
    u = (high - low) / 2 * places + (high + low) / 2
    shift = float(line.subs({Z: 0, draw: 0})) + float(sp.diff(line, draw)) * u
    return float((high - low) / 2 * (weights * density(u)) @ stats.norm.cdf(shift / slope))
