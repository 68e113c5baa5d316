"""Rung 3: the error of the kernels' sums for expectations without a closed form."""

from __future__ import annotations

import math

import mpmath
import sympy as sp

from adasde.derive.functions import Expectation, outer, zeta
from adasde.derive.notation import s
from adasde.verify import quadrature
from adasde.verify.check import Check, check
from adasde.verify.evaluation import Point, mean_over, nested_mean
from adasde.verify.kinks import switches, zeros
from adasde.verify.setting import Setting

POINTS = 6
TOLERANCE = 1e-6
"""Error allowed to E h(Z), relative to E |h(Z)|: a thousandth of what a million paths resolve, so that no verdict on a
model depends on it. 64 nodes keep it for integrands that are smooth on the scale of the noise, see `nodes`; a kink
costs the rule its accuracy (about 1/nodes is left) and fails."""
DIGITS = 20


def kernel_quadrature(setting: Setting, points: list[dict[sp.Symbol, sp.Expr]]) -> list[Check]:
    """Sums over the kernel's nodes against adaptive quadrature in high precision; none where everything is exact.

    At the run's largest noise scale, because the statement is about the sums of this run: an integrand h(G + s Z)
    varies the more over the law the larger s is, and no set of nodes is accurate for every s. Where that depends on x,
    at those of the points, and the statement says which.
    """
    named = sp.Tuple(*(value for _, value in setting.sde.named))
    nodes = sorted((e for e in named.atoms(Expectation) if outer not in e.free_symbols), key=str)
    if not nodes:
        return []
    largest = max(setting.noise.scale or (0.0,)) / math.sqrt(setting.noise.batch)
    scale = {s: sp.Float(largest, DIGITS)} if largest > 0 else {}
    worst, doubt, where = 0.0, 0.0, nodes[0]
    with mpmath.workdps(DIGITS):
        for node in nodes:
            for point in (point | scale for point in points[:POINTS]):
                error, uncertainty = _relative_error(setting, setting.sde.expand_names(node), point)
                doubt = max(doubt, uncertainty)
                if error > worst:
                    worst, where = error, node
    statement = f"{setting.module.QUADRATURE} nodes give every expectation to {TOLERANCE:g} of E|h|"
    if not scale:
        statement += f", at noise scales up to {max(float(point[s]) for point in points[:POINTS]):.1f}"
    measured = f"largest error {worst:.1e}, of {where}"
    if doubt > TOLERANCE / 10:
        return [Check(3, statement, "undecided", f"{measured}; the reference itself is uncertain by {doubt:.1e}")]
    return [check(3, statement, worst < TOLERANCE, measured)]


def _relative_error(setting: Setting, node: Expectation, point: Point) -> tuple[float, float]:
    """|sum over nodes - E h|/E|h|, and the uncertainty of E h in the same units."""
    if node.nested:
        return _nested_error(setting, node, point), 0.0
    integrand, density = (part.subs(point) for part in node.args)
    rule = setting.sums[Expectation]
    found, size = mean_over(integrand, rule), mean_over(sp.Abs(integrand), rule)
    if setting.noise.law == "empirical":
        exact, uncertainty = mean_over(integrand, quadrature.atoms(setting.noise)), mpmath.mpf(0)
    else:
        cuts = {-4.0, -1.0, 0.0, 1.0, 4.0} | {y for switch in switches(integrand, zeta) for y in zeros(switch, zeta)}
        h = sp.lambdify(zeta, integrand * density, "mpmath")
        exact, uncertainty = mpmath.quad(h, [-mpmath.inf, *sorted(cuts), mpmath.inf], error=True)
    return float(abs(found - exact) / size), float(uncertainty / size)


def _nested_error(setting: Setting, node: Expectation, point: Point) -> float:
    """The same for an integral in two dimensions, against pairs of the finer nodes of rung 2; relative to the mean of
    its absolute value, each integral inside taken by itself."""
    fine, rule = quadrature.rule(setting.noise, (0.0,), setting.sde.moments), setting.sums[Expectation]
    inside = {e: Expectation(sp.Abs(e.args[0]), e.args[1]) for e in node.args[0].atoms(Expectation)}
    size = nested_mean(Expectation(sp.Abs(node.args[0].xreplace(inside)), node.args[1]), point, fine)
    return abs(nested_mean(node, point, rule) - nested_mean(node, point, fine)) / size
