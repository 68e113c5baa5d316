"""What a rule may do beyond one coordinate and one stochastic gradient g = grad f + s Z: five operations.

    own_noise(law)           a draw of the rule's own, independent of the gradient's noise: normal, uniform on (-1, 1),
                             exponential of mean 1. Stochastic sign is sign(g + b U), dp-sign sign(g + sigma N), SGLD
                             x - eta g + sqrt(2 eta T) N
    gradient(at, batch)      the gradient of a minibatch at another point: SAM, extragradient, SVAG
    total(u), norm(u)        sum over coordinates, sqrt(total(u^2)): clipping by norm, trust ratios, normalised steps
    workers(u, n)            mean of u over n independent workers, each with minibatches and draws of its own
    largest(u, k)            1 in the k coordinates where u is largest, else 0: rand-k and top-k compression
    adjoint(u)               the transposed Jacobian of the field times u, for two-player games; H u for a loss
    orthogonal(u, rows)      the orthogonal factor of u as a matrix, by Newton-Schulz iterations: Muon

Each is a node of the update's expression tree, so that one rule gives all of these:

algorithm  a step in stages (`emit.stages`): loops over lanes between which sums over coordinates, further gradients and
           workers are worked out. Nothing is refused here
moments    `expectation` integrates one independent variable after the other, workers first, own draws next, and Z last
SDE        elementwise rules: own draws, workers and further minibatches are further independent variables of one step.
           A gradient at x + delta is g + H delta + O(delta^2), H the Hessian as an operator on all coordinates; H may
           enter with factors that are the same in all coordinates only. What couples coordinates otherwise, a norm of
           something random, the largest entries, a matrix factor, is refused by name: its drift in one coordinate
           depends on the law of all
"""

from __future__ import annotations

import re

import sympy as sp

from adasde.derive import notation
from adasde.derive.law import Law, NotDerivable
from adasde.derive.noise import Gaussian, ShiftedExponential, Uniform
from adasde.derive.notation import G, H, Ht, Z, g, s, x

OWN_LAWS: dict[str, Law] = {"normal": Gaussian(), "uniform": Uniform(), "exponential": ShiftedExponential()}
"""Laws of own draws; an exponential draw is written 1 + Z with Z a shifted exponential."""


class Own(sp.Symbol):
    """A draw of the rule's own, by its name: normal1, uniform1, exponential1 (of mean 0), ..."""

    @property
    def kind(self) -> str:
        """normal, uniform or exponential."""
        return re.sub(r"\d+$", "", self.name)

    @property
    def law(self) -> Law:
        return OWN_LAWS[self.kind]


class Batch(sp.Symbol):
    """The standard noise Z1, Z2, ... of a further minibatch; that of the first is Z."""

    @property
    def number(self) -> int:
        return int(self.name[1:])


class Operation(sp.Function):
    """A function of whole vectors, real, that is never evaluated symbolically."""

    is_real = True

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        if not self.has(symbol):
            return sp.S.Zero
        raise NotDerivable(f"{self} is no function of one coordinate: it has no derivative by {symbol} here")


class sampled(Operation):
    """``sampled(at, b)``: the gradient of minibatch b at the point ``at``."""

    nargs = 2


class total(Operation):
    """Sum over coordinates."""

    nargs = 1

    def _eval_is_nonnegative(self) -> bool | None:
        return bool(self.args[0].is_nonnegative) or None


class workers(Operation):
    """``workers(u, n)``: mean of n independent copies of u."""

    nargs = 2


class largest(Operation):
    """``largest(u, k)``: 1 in the k coordinates where u is largest, else 0."""

    nargs = 2


class orthogonal(Operation):
    """``orthogonal(u, rows)``: Newton-Schulz iterations on u as a matrix with so many rows, row by row."""

    nargs = 2


class adjoint(Operation):
    """``adjoint(u)``: the transposed Jacobian of the gradient field, at the position, times u."""

    nargs = 1


COUPLING = {
    total: "a sum over coordinates (a norm) of what is random",
    largest: "the largest entries of a vector",
    orthogonal: "the orthogonal factor of a matrix",
}
"""Operations that no derivation coordinate by coordinate can follow."""


def own_noise(law: str = "normal", number: int = 1) -> sp.Expr:
    """A draw per coordinate and step of the rule's own: N(0, 1), uniform on (-1, 1), or exponential of mean 1."""
    if law not in OWN_LAWS:
        raise ValueError(f"own_noise: law = {law!r} is outside {{{', '.join(OWN_LAWS)}}}")
    draw = Own(f"{law}{number}", real=True)
    return 1 + draw if law == "exponential" else draw


def gradient(at: sp.Expr, batch: str | int = "same") -> sp.Expr:
    """The gradient at another point, of the minibatch of g (``same``), of another one (``fresh``), or of number b."""
    number = {"same": 0, "fresh": 1}.get(batch, batch) if isinstance(batch, str) else batch
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"gradient: batch = {batch!r} is outside {{'same', 'fresh', 0, 1, 2, ...}}")
    return g if at == x and number == 0 else sampled(at, sp.Integer(number))


def norm(u: sp.Expr) -> sp.Expr:
    """Euclidean norm over all coordinates."""
    return sp.sqrt(total(u**2))


def batch_noise(number: int) -> sp.Symbol:
    """The standard noise of minibatch ``number``."""
    return Z if number == 0 else Batch(f"Z{number}", real=True)


def is_composite(*expressions: sp.Expr) -> bool:
    """Whether an update needs more than the coordinate's own gradient."""
    return any(e.atoms(Own, Operation) or e.has(s) for e in expressions)


def variables(*expressions: sp.Expr) -> list[sp.Basic]:
    """The noise of a step besides Z: workers first, own draws next, then further minibatches, in a fixed order."""
    found = set().union(*(e.atoms(workers, Own, Batch) for e in expressions))
    inner = set().union(*(w.atoms(workers, Own, Batch) - {w} for e in expressions for w in e.atoms(workers)))
    kept = [v for v in found if v not in inner or any(_outside(e, v) for e in expressions)]
    return sorted(kept, key=lambda v: ((workers, Own, Batch).index(type(v)), str(v)))


def _outside(expression: sp.Expr, variable: sp.Basic) -> bool:
    """Whether the variable stands outside of all workers as well."""
    return bool(expression.replace(lambda e: isinstance(e, workers), lambda _: sp.S.Zero).has(variable))


def with_noise(name: str, update: sp.Expr) -> sp.Expr:
    """An update with its gradients written in G, s Z and H: g = G + s Z, and g(x + delta) = G + s Z_b + H delta.

    Raises `NotDerivable` where H would act on less than a whole vector.
    """
    for node in sorted(update.atoms(adjoint), key=str):
        _require_linear(name, update, node)
        update = update.xreplace({node: Ht * node.args[0]})
    for node in sorted(update.atoms(sampled), key=lambda e: (sp.count_ops(e), str(e))):
        at, number = node.args
        delta = sp.expand(at - x)
        noise = G + s * batch_noise(int(number))
        if delta == 0:
            update = update.xreplace({node: noise})
            continue
        _require_linear(name, update, node)
        update = update.xreplace({node: noise + H * delta})
        if update.has(sampled):
            return with_noise(name, update)
    return update.subs(g, G + s * Z)


def require_uncoupled(name: str, states: tuple[sp.Symbol, ...], update: tuple[sp.Expr, ...]) -> None:
    """Refuses by name what couples coordinates; says so where the position less another state is free of it."""
    for kind, what in COUPLING.items():
        random = [e for u in update for e in u.atoms(kind) if kind is not total or _is_random(e)]
        if random:
            first = min(random, key=lambda e: (sp.count_ops(e), str(e)))
            reason = "the drift of one coordinate then depends on the law of all of them"
            free = "".join(f"; {text}" for text in conserved(states, update))
            raise NotDerivable(f"{name}: no SDE coordinate by coordinate: {what}, {first}: {reason}{free}")


def conserved(states: tuple[sp.Symbol, ...], update: tuple[sp.Expr, ...]) -> list[str]:
    """Combinations of the position and another state whose increment is plain: what error feedback leaves exact."""
    found = []
    for state, following in zip(states[1:], update[1:], strict=True):
        for factor in (sp.S.One, sp.Symbol("eta", positive=True)):
            change = sp.expand(update[0] - factor * following - x + factor * state)
            if not change.atoms(*COUPLING):
                found.append(f"{x - factor * state} moves by {change} exactly")
    return found


def _is_random(node: sp.Expr) -> bool:
    return bool(node.free_symbols - {s} - _constants(node))


def _constants(node: sp.Expr) -> set[sp.Symbol]:
    changing = {x, g, notation.m, notation.v, G, Z}
    return {y for y in node.free_symbols if y not in changing and not isinstance(y, Own | Batch)}


def _require_linear(name: str, update: sp.Expr, node: sp.Expr) -> None:
    """The Hessian acts on a vector: what multiplies a gradient elsewhere must be the same in all coordinates."""
    stand_in = sp.Dummy("gradient elsewhere", real=True)
    slope = sp.diff(update.xreplace({node: stand_in}), stand_in)
    if slope.has(stand_in) or slope.free_symbols - _constants(slope) or slope.atoms(Operation):
        raise NotDerivable(
            f"{name}: no SDE: {node} enters with the factor {slope}, which differs from coordinate to coordinate; the "
            "Hessian that expands it acts on all coordinates at once"
        )
