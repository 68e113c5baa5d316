"""The two scalings of a rule, in one position and with an arbitrary loss f(x) and noise scale.

ballistic         tau = eta, 1 - beta = eta rho, noise of order one: time is eta times steps
batch-equivalent  noise s -> s/sqrt(tau), 1 - beta = tau rho, second moments v -> v/tau, eps -> eps/sqrt(tau), and the
                  learning rate such that noise moves the position by O(sqrt(tau)) a step: eta = tau where the step is
                  proportional to the gradient (SGD), eta = sqrt(tau) where it does not change when gradients are
                  multiplied by a number (RMSprop, Adam, sign); decoupled decay so that eta theta = tau theta
"""

from __future__ import annotations

import sympy as sp

from adasde.derive import notation
from adasde.derive.branches import late
from adasde.derive.generator import Chain, root
from adasde.derive.law import NotDerivable
from adasde.derive.names import Names
from adasde.derive.notation import MEANINGS, Z, eps, eta, g, k, s, t, theta, x
from adasde.derive.rule import UpdateRule
from adasde.derive.scaling_limit import exact_rate_symbol, without_drift

f = sp.Function("f", real=True)(x)
S = sp.Function("S", positive=True)(x)
slope = sp.Derivative(f, x)
"""The gradient f'(x)."""


def ballistic(rule: UpdateRule, state_dependent: bool = False) -> Chain:
    """``rule`` with Delta = eta h: tau = eta."""
    tau = root**2
    gradient = slope + (S if state_dependent else s) * Z
    changes = [
        (update - state).subs(_schedules(rule)).subs(_decays(rule, tau)).subs({eta: tau, g: gradient})
        for state, update in zip(rule.states, rule.update, strict=True)
    ]
    return _chain(rule, changes, "ballistic")


def batch_equivalent(rule: UpdateRule, state_dependent: bool = False) -> Chain:
    """``rule`` with noise as large as the drift: the scaling in the module's docstring."""
    for state, update in zip(rule.states[1:], rule.update[1:], strict=True):
        reason = without_drift(rule, state, late(update, rule.name))
        if reason is not None:
            raise NotDerivable(reason)
    tau = root**2
    gradient = slope + (S if state_dependent else s) * Z / root
    rate = root ** (1 + gradient_degree(rule))
    grown = {y: y / tau for y in rule.states if _degree(y) == 2}
    scaled = {eta: rate, eps: eps / root, theta: theta * tau / rate, **grown}
    changes = []
    for state, update in zip(rule.states, rule.update, strict=True):
        change = (update - state).subs(_schedules(rule)).subs(_decays(rule, tau)).subs(scaled, simultaneous=True)
        change = change.subs(g, gradient) * (tau if state in grown else 1)
        changes.append(_regular(change))
    return _chain(rule, changes, "batch-equivalent")


def gradient_degree(rule: UpdateRule) -> int:
    """The power by which the position's step grows when all gradients are multiplied by a number: 1 or 0."""
    factor = sp.Symbol("factor", positive=True)
    grown = {y: factor ** _degree(y) * y for y in (g, eps, *rule.states[1:])}
    step = (rule.update[0] - x).subs(theta, 0)
    ratio = sp.simplify(step.subs(grown, simultaneous=True) / step)
    degree = sp.simplify(sp.log(ratio) / sp.log(factor)) if ratio != 1 else sp.S.Zero
    if degree not in (0, 1):
        raise NotDerivable(f"{rule.name}: the step is neither proportional to the gradient nor free of its scale")
    return int(degree)


def _degree(symbol: sp.Symbol) -> int:
    """How a quantity grows with the gradient, from its units."""
    units = MEANINGS[symbol].units
    return 2 if units == MEANINGS[notation.v].units else 1 if units == MEANINGS[g].units else 0


def _decays(rule: UpdateRule, tau: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    return {h.symbol: 1 - tau * h.rate for h in rule.hyperparameters if h.rate is not None}


def _schedules(rule: UpdateRule) -> dict[sp.Expr, sp.Expr]:
    """beta^k = e^(-r (t + tau)) exactly, with r = -log(1 - tau rho)/tau = rho + O(tau)."""
    decays = [h for h in rule.hyperparameters if h.rate is not None]
    return {h.symbol**k: sp.exp(-exact_rate_symbol(h) * (t + root**2)) for h in decays}


def _chain(rule: UpdateRule, changes: list[sp.Expr], scaling: str) -> Chain:
    states, moved = rule.states, tuple(changes)
    if any(change.has(t) for change in changes):
        states, moved = (*states, t), (*moved, root**2)
    rates = tuple(exact_rate_symbol(h) for h in rule.hyperparameters if h.rate is not None)
    names = Names(tuple((rate, rate) for rate in rates), t)
    for change in moved:
        names.apply(change.subs(root, 0) + sp.diff(change, root, 2).subs(root, 0))
    return Chain(f"{rule.name}, {scaling} scaling", states, moved, named=names.named)


def _regular(change: sp.Expr) -> sp.Expr:
    """The same expression with negative powers of root taken out of sums, roots and signs: no 0/0 at root = 0."""
    return change.replace(
        lambda e: (e.is_Add or e.is_Pow or isinstance(e, sp.sign)) and e.has(root) and e != root, _without_poles
    )


def _without_poles(node: sp.Expr) -> sp.Expr:
    if node.is_Pow:
        return sp.expand_power_base(node) if node.base.is_Mul else node
    if isinstance(node, sp.sign):
        return sp.sign(node.args[0] * root ** -_power_of_root(node.args[0]))
    lowest = min(_power_of_root(term) for term in node.args)
    return root**lowest * sp.Add(*(term * root**-lowest for term in node.args)) if lowest < 0 else node


def _power_of_root(term: sp.Expr) -> sp.Expr:
    """The exponent of root as a factor of the term."""
    powers = [factor.as_base_exp() for factor in sp.Mul.make_args(term)]
    return sp.Add(*(exponent for base, exponent in powers if base == root))
