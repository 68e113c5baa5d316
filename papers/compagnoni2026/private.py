"""The rules `dp_sgd` and `dp_signsgd` where every example is clipped, in d dimensions with isotropic Gaussian noise.

An example sends u = C z/|z| with z ~ N(G, s^2 I_d). Its mean for small G and its variance at G = 0 follow from
isotropy, E z_i^2/r^2 = 1/d at r = |z|, and from r^2/s^2 at G = 0, a chi-square variable.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.notation import G, eta, g, s, x
from adasde.derive.operations import Own, total, workers
from adasde.derive.optimizers.private import dp_sgd, dp_signsgd
from adasde.papers.parts import Parts, coefficients, of_sde

delta = sp.Symbol("delta", positive=True)
dimension = 1 / delta
"""d, as the inverse of what is small."""
clip, batch = (next(h.symbol for h in dp_sgd.hyperparameters if h.name == name) for name in ("clip", "batch_size"))
noise = sp.Symbol("noise_multiplier", positive=True)
POSITIVE = {h.symbol: noise for h in dp_sgd.hyperparameters if h.name == "noise_multiplier"}
r, entry = sp.symbols("r z", positive=True)


def sent() -> sp.Expr:
    """What one clipped example sends in one coordinate, in its entry z of the gradient and the norm r."""
    (mean,) = dp_sgd.update[0].atoms(workers)
    clipped = mean.args[0].replace(sp.Min, lambda *ratios: next(ratio for ratio in ratios if ratio != 1))
    return clipped.replace(total, lambda _: r**2).subs(g, entry)


def over_directions(expression: sp.Expr) -> sp.Expr:
    """The mean over directions of something linear in z^2, with E z^2 = r^2/d."""
    terms = sp.Poly(sp.expand(expression), entry)
    return sum(c * {0: 1, 2: r**2 / dimension}[n] for (n,), c in terms.terms())


def mean_inverse_norm() -> sp.Expr:
    """E 1/r at G = 0, from the density of r, proportional to r^(d - 1) e^(-r^2/(2 s^2))."""
    density = r ** (dimension - 1) * sp.exp(-(r**2) / (2 * s**2))
    above, below = (sp.integrate(weight * density, (r, 0, sp.oo), conds="none") for weight in (1 / r, 1))
    return above / below


def in_many_dimensions() -> sp.Expr:
    """E 1/r with its first correction in 1/d: E (1 + w)^(-1/2)/(s sqrt d) for r^2 = s^2 d (1 + w), by the moments of w,
    with E r^(2 k) = s^(2 k) d (d + 2) ... (d + 2 k - 2)."""
    w = sp.Symbol("w", real=True)
    series = sp.Poly(sp.series((1 + w) ** sp.Rational(-1, 2), w, 0, 3).removeO(), w)
    powers = [sp.prod(dimension + 2 * j for j in range(k)) / dimension**k for k in range(3)]
    moments = [sum(sp.binomial(n, k) * powers[k] * (-1) ** (n - k) for k in range(n + 1)) for n in range(3)]
    return sum(c * moments[n] for (n,), c in series.terms()) / (s * sp.sqrt(dimension))


@cache
def slope(inverse_norm: sp.Expr) -> sp.Expr:
    """d E u/d G in one coordinate at G = 0, E d u/d z with dr/dz = z/r: a number over r, whose mean is given."""
    change = sp.diff(sent(), entry) + sp.diff(sent(), r) * entry / r
    return over_directions(change * r) * inverse_norm


def slope_in_full() -> sp.Expr:
    """The slope for any d, with Gamma functions of d/2 + 1/2 and d/2 + 1."""
    d = sp.Symbol("d", positive=True)
    return sp.gammasimp(slope(mean_inverse_norm()).subs(delta, 1 / d)).subs(d, dimension)


def variance() -> sp.Expr:
    """Of the mean of B clipped examples and the private noise, at G = 0."""
    (draw,) = dp_sgd.update[0].atoms(Own)
    private = sp.diff(dp_sgd.update[0], draw).subs(POSITIVE) / eta
    return over_directions(sent() ** 2) / batch + private**2


def sgd() -> Parts:
    """The model of `dp_sgd` to first order in G, its drift with the first correction in 1/d."""
    mean_slope = sp.expand(slope(in_many_dimensions()) / sp.sqrt(delta))
    first = sum(mean_slope.coeff(delta, n) * delta**n for n in range(2)) * sp.sqrt(delta)
    return coefficients((x,), [-first * G], sp.Matrix([eta * variance()]))


@cache
def signsgd() -> Parts:
    """The model of `dp_signsgd` with the mean of its clipped examples as a Gaussian variable of mean C G/(s sqrt d) and
    of the variance C^2/(d B) that it has at G = 0."""
    (mean,) = dp_signsgd.update[0].atoms(workers)
    surrogate = dataclasses.replace(
        dp_signsgd,
        name="signs",
        update=(dp_signsgd.update[0].xreplace({mean: g, **POSITIVE}),),
        hyperparameters=tuple(
            dataclasses.replace(h, symbol=POSITIVE.get(h.symbol, h.symbol)) for h in dp_signsgd.hyperparameters
        ),
    )
    at = {G: clip * G / (s * sp.sqrt(dimension)), s: sp.sqrt(over_directions(sent() ** 2) / batch)}
    return {part: value.subs(at, simultaneous=True) for part, value in of_sde(derive(surrogate).sde).items()}


def powers(parts: Parts, budget: sp.Symbol) -> Parts:
    """The powers of the budget eps in the speed and in the level of E f on x^2/2, noise multiplier 1/eps, eps -> 0."""
    drift, spread = (parts[part].subs(noise, 1 / budget) for part in ("drift of x", "variance of x"))
    speed = -sp.diff(drift, G).subs(G, 0)
    level = spread.subs(G, 0) / (2 * speed)
    return {f"power of eps in the {name}": _power(f, budget) for name, f in (("speed", speed), ("level", level))}


def _power(function: sp.Expr, budget: sp.Symbol) -> sp.Expr:
    return sp.limit(sp.simplify(budget * sp.diff(function, budget) / function), budget, 0, "+")
