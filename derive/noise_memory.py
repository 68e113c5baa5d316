"""Gradient noise with memory around any rule: Ornstein-Uhlenbeck states that the noise of a step is read from.

Either adds to the stochastic gradient noise of the rule's own that is correlated between steps; the noise of the
minibatch is kept, and vanishes with s. Both are Markov: the memory is in further states.

correlated   an average of white noise N_k: n_next = c n + (1 - c) N, g + size n_next, 1 - c = eta rho_c. Its
             correlation time is 1/rho_c, in steps 1/(1 - c); c = 0 is white noise of the same size, and any c has the
             same noise summed over many steps: the long-run variance of n is one
fractional   increments of fractional Brownian motion of Hurst index H by K states with one Brownian motion:
             B_H ~ sum_k w_k Y_k, dY_k = -gamma_k Y_k dt + dW, Y_k(0) = 0, with weights that minimise the mean square
             error over a horizon (arXiv 2310.12975; type II, the kernel
             (t - u)^(H - 1/2)/Gamma(H + 1/2))
"""

from __future__ import annotations

import dataclasses

import mpmath
import numpy as np
import sympy as sp
from numpy.typing import NDArray

from adasde.derive import notation
from adasde.derive.notation import eta, g, m, state, x
from adasde.derive.operations import own_noise
from adasde.derive.rule import Hyperparameter, UpdateRule

coloured = state("coloured", like=m, meaning="noise with memory, an average of white noise of size one")
_off, _share = sp.sqrt(15) / 10, sp.Rational(5, 18)
POINTS = ((sp.S.Half - _off, _share), (sp.S.Half, sp.Rational(4, 9)), (sp.S.Half + _off, _share))
"""Gauss-Legendre points and weights of one step."""


def correlated(rule: UpdateRule, memory: float = 0.9, size: float = 1.0) -> UpdateRule:
    """``rule`` with coloured noise: g + size coloured_next, coloured_next = memory coloured + (1 - memory) N.

    Hyperparameters of the new rule: ``memory`` in [0, 1), 0 for white noise; ``noise_size`` >= 0.
    """
    _require_plain(rule)
    strength = sp.Symbol("noise_size", nonnegative=True)
    following = notation.memory * coloured + (1 - notation.memory) * own_noise("normal")
    meaning = notation.MEANINGS[notation.memory].meaning
    return _around(
        rule,
        {coloured: following},
        g + strength * following,
        (
            Hyperparameter("memory", notation.memory, meaning, "[0, 1)", memory, "memory", (), notation.rho_c, True),
            Hyperparameter("noise_size", strength, "size of the coloured noise", "[0, inf)", size, "noise_size"),
        ),
        "coloured noise",
    )


def fractional(
    rule: UpdateRule, hurst: float, states: int = 5, fastest: float = 20.0, horizon: float = 1.0, size: float = 1.0
) -> UpdateRule:
    """``rule`` with the increments of size B_H over each step, B_H by ``states`` Ornstein-Uhlenbeck states.

    A step of length eta draws three normals xi_j and moves each state by its exact decay and the Gauss-Legendre sum

        Y_k' = e^(-gamma_k eta) Y_k + sum_j sqrt(eta b_j) e^(-gamma_k eta (1 - c_j)) xi_j,

    so that Cov(Y_i', Y_j' | Y) is (1 - e^(-a eta))/a, a = gamma_i + gamma_j, up to a relative (a eta)^6/2 016 000 and
    higher. The gradient becomes g + size sum_k w_k (Y_k' - Y_k)/eta. Increments of B_H over a step are of size eta^H:
    choose size ~ eta^(1 - H) for noise of order one in every gradient.

    hurst    in (0, 1); 1/2 is white noise
    fastest  largest speed gamma_K per unit of time; the smallest is 1/fastest
    horizon  time T over which the weights minimise the error; see `fractional_weights`
    """
    _require_plain(rule)
    speeds = fractional_speeds(states, fastest)
    weights, _ = fractional_weights(hurst, speeds, horizon)
    gamma = [sp.Symbol(f"speed{n}", positive=True) for n in range(1, states + 1)]
    w = [sp.Symbol(f"weight{n}", real=True) for n in range(1, states + 1)]
    y = [state(f"ou{n}", like=x, meaning=f"Ornstein-Uhlenbeck state {n} of the noise") for n in range(1, states + 1)]
    following = {
        yk: sp.exp(-eta * gk) * yk
        + sum(
            sp.sqrt(eta * b) * sp.exp(-eta * gk * (1 - c)) * own_noise("normal", j + 1)
            for j, (c, b) in enumerate(POINTS)
        )
        for yk, gk in zip(y, gamma, strict=True)
    }
    strength = sp.Symbol("noise_size", nonnegative=True)
    moved = sum(wk * (sp.expand(following[yk] - yk)) for wk, yk in zip(w, y, strict=True))
    numbers = [Hyperparameter("noise_size", strength, "size of the fractional noise", "[0, inf)", size, "noise_size")]
    for names, values, domain, what in ((gamma, speeds, "(0, inf)", "speed"), (w, weights, "(-inf, inf)", "weight")):
        for n, (symbol, value) in enumerate(zip(names, values.tolist(), strict=True), 1):
            meaning = f"{what} of Ornstein-Uhlenbeck state {n}"
            numbers.append(Hyperparameter(str(symbol), symbol, meaning, domain, value, str(symbol)))
    return _around(rule, following, g + strength * moved / eta, tuple(numbers), f"fractional noise of index {hurst:g}")


def fractional_speeds(states: int, fastest: float) -> NDArray[np.float64]:
    """gamma_k = r^(k - (K + 1)/2), k = 1 ... K, the largest being ``fastest``: 1/20 ... 20 for 20."""
    if states < 2 or fastest <= 1:
        raise ValueError(f"fractional noise: {states} states up to {fastest}: choose two or more, and a speed above 1")
    return np.asarray(fastest ** np.linspace(-1, 1, states))


def fractional_weights(
    hurst: float, speeds: NDArray[np.float64], horizon: float = 1.0
) -> tuple[NDArray[np.float64], float]:
    """(w, relative mean square error) that minimise E int_0^T (B_H - sum w_k Y_k)^2 dt: A w = b with, a = g_i + g_j,

        A_ij = (T + (e^(-a T) - 1)/a)/a,
        b_k = T g^(-H - 1/2) P(H + 1/2, g T) - (H + 1/2) g^(-H - 3/2) P(H + 3/2, g T),

    P the regularised incomplete gamma function; the error is 1 - b.w/c, c = T^(2H + 1)/(2H (2H + 1) Gamma(H + 1/2)^2).
    Solved in 50 digits, as A is ill-conditioned.
    """
    if not 0 < hurst < 1:
        raise ValueError(f"fractional noise: hurst = {hurst} is outside (0, 1)")
    with mpmath.workdps(50):
        end, half, index = mpmath.mpf(horizon), mpmath.mpf(1) / 2, mpmath.mpf(hurst)
        rates = [mpmath.mpf(float(speed)) for speed in speeds]
        matrix = mpmath.matrix(
            [[(end + mpmath.expm1(-(a + b) * end) / (a + b)) / (a + b) for b in rates] for a in rates]
        )
        right = mpmath.matrix(
            [
                end * a ** (-index - half) * _incomplete(index + half, a * end)
                - (index + half) * a ** (-index - 3 * half) * _incomplete(index + 3 * half, a * end)
                for a in rates
            ]
        )
        found = mpmath.lu_solve(matrix, right)
        whole = end ** (2 * index + 1) / (2 * index * (2 * index + 1) * mpmath.gamma(index + half) ** 2)
        error = 1 - (right.T * found)[0] / whole
        return np.array([float(value) for value in found]), float(error)


def _incomplete(power: mpmath.mpf, upper: mpmath.mpf) -> mpmath.mpf:
    """P, the regularised lower incomplete gamma function."""
    return mpmath.gammainc(power, 0, upper, regularized=True)


def _require_plain(rule: UpdateRule) -> None:
    if rule.composite:
        raise ValueError(f"{rule.name}: noise with memory goes around rules of one gradient in one coordinate only")


def _around(
    rule: UpdateRule,
    following: dict[sp.Symbol, sp.Expr],
    noisy: sp.Expr,
    further: tuple[Hyperparameter, ...],
    what: str,
) -> UpdateRule:
    """The rule at another stochastic gradient, with the states of its noise."""
    return dataclasses.replace(
        rule,
        name=f"{rule.name}_{what.split()[0]}",
        title=f"{rule.title}; with {what}",
        states=(*rule.states, *following),
        # Expanded, so that the step cancels the division by eta of an increment of noise.
        update=(
            *(sp.expand(u.subs(g, noisy)) if noisy.has(1 / eta) else u.subs(g, noisy) for u in rule.update),
            *following.values(),
        ),
        hyperparameters=(*rule.hyperparameters, *further),
        dialect="paper",
        source="derive/noise_memory.py",
    )
