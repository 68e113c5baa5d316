"""An optimizer, written once: its update rule.

    @update_rule(states=(x, v), nonnegative=(v,), dialect="torch", cite="...")
    def rmsprop(beta2=decay(2, 0.99, torch="alpha"), eps=stabiliser()):
        \"\"\"RMSprop: one line of prose.\"\"\"
        v_next = beta2*v + (1 - beta2)*g**2
        return {x: x - eta*g/(sqrt(v_next) + eps), v: v_next}

The arguments of the function are the hyperparameters; the body sees their symbols, the states, the stochastic
gradient ``g``, the learning rate ``eta`` and the step number ``k`` (from 1).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import sympy as sp

from adasde.derive import notation
from adasde.derive.notation import eta, rho1, rho2, rho3, x
from adasde.derive.operations import Own, is_composite


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter of a rule.

    rate    for a decay: the rate rho in decay = 1 - eta rho, which is what stays fixed as eta -> 0
    large   the rate may grow like eta^-zeta, zeta < 1, so that products eta rho are kept whole in an expansion
    """

    name: str
    symbol: sp.Symbol
    meaning: str
    domain: str
    default: float
    torch: str
    aliases: tuple[str, ...] = ()
    rate: sp.Symbol | None = None
    large: bool = False

    @property
    def scaled(self) -> sp.Expr:
        """The hyperparameter as a function of eta: ``1 - eta rho`` for a decay, itself otherwise."""
        return self.symbol if self.rate is None else 1 - eta * self.rate

    @property
    def rate_of_decay(self) -> sp.Expr:
        """The rate as a function of the decay and eta: the inverse of ``scaled``."""
        return sp.cancel(sp.solve(sp.Eq(self.symbol, self.scaled), self.rate)[0])


LEARNING_RATE = Hyperparameter("lr", eta, "learning rate", "(0, inf)", 1e-3, "lr", ("eta",))


def decay(moment: int, default: float, torch: str = "betas", large: bool | None = None) -> Hyperparameter:
    """The decay beta_i = 1 - eta rho_i of the first or second moment, or of a third average.

    Unless ``large`` says otherwise, rho1 may be large and rho2 not: beta1 = 0.9 means 1 - beta1 = 0.1, which no
    expansion in eta should call small.
    """
    symbol, rate = ((notation.beta1, rho1), (notation.beta2, rho2), (notation.beta3, rho3))[moment - 1]
    aliases = ("beta", "alpha") if torch == "alpha" else ()
    meaning = notation.MEANINGS[symbol].meaning
    return Hyperparameter(
        f"beta{moment}",
        symbol,
        meaning,
        "[0, 1)",
        default,
        torch,
        aliases,
        rate,
        moment == 1 if large is None else large,
    )


def stabiliser(default: float = 1e-8) -> Hyperparameter:
    """The eps of P = sqrt(v) + eps."""
    return Hyperparameter("eps", notation.eps, notation.MEANINGS[notation.eps].meaning, "[0, inf)", default, "eps")


def weight_decay(default: float = 1e-2) -> Hyperparameter:
    """Decoupled weight decay theta: x <- (1 - eta theta) x before the step."""
    meaning = notation.MEANINGS[notation.theta].meaning
    return Hyperparameter("weight_decay", notation.theta, meaning, "[0, inf)", default, "weight_decay", ("theta",))


def coupled_decay(default: float = 0.0) -> Hyperparameter:
    """Weight decay that is added to the gradient, g + lambda x: L2 regularisation."""
    domain, meaning = "[0, inf)", "weight decay added to the gradient"
    symbol = sp.Symbol("weight_decay", nonnegative=True)
    return Hyperparameter("weight_decay", symbol, meaning, domain, default, "weight_decay")


def hyperparameter(
    name: str, default: float, domain: str = "(-inf, inf)", meaning: str = "", torch: str = ""
) -> Hyperparameter:
    """A hyperparameter that stays fixed as eta -> 0: a clipping threshold, the interpolation of Lion, ...

    ``domain`` is an interval such as ``[0, 1)`` or ``(0, inf)``; the derivation uses what it says about signs. Raises
    `ValueError` for a name that means something else, such as that of a function.
    """
    _require_free(name)
    low, high = (float(end) for end in domain[1:-1].split(", "))
    if (low, high) == (0, 1):
        symbol = notation.Share(name, positive=True)
    elif low >= 0:
        symbol = sp.Symbol(name, positive=True) if domain[0] == "(" or low > 0 else sp.Symbol(name, nonnegative=True)
    else:
        symbol = sp.Symbol(name, real=True)
    return Hyperparameter(name, symbol, meaning or name, domain, default, torch or name)


def count(name: str, default: int, odd: bool = False, meaning: str = "") -> Hyperparameter:
    """A whole number of at least one: workers, kept coordinates, rows of a matrix."""
    _require_free(name)
    domain = "{1, 3, 5, ...}" if odd else "{1, 2, 3, ...}"
    return Hyperparameter(name, sp.Symbol(name, positive=True, integer=True), meaning or name, domain, default, name)


SHORT = ("c", "l", "beta1", "beta2", "beta3", "eps", "ema")
"""Names of hyperparameters that the notation has as well, for the same thing or not at all in generated code."""


def _require_free(name: str) -> None:
    if name not in SHORT:
        notation.require_free("hyperparameter", name)


@dataclass(frozen=True)
class UpdateRule:
    """A stochastic optimizer as its update rule.

    states          symbols, the position x first
    update          next value of each state, in the order of ``states``, as expressions in the states, g, k, eta
                    and the hyperparameters
    nonnegative     states that the rule keeps >= 0
    dialect         whose convention this is: torch, optax, pytorch_optimizer or paper
    initial         ((state, number), ...) for states that do not start at zero
    average_out     buffers that its models average out at fixed decays, see `fast_states`
    """

    name: str
    title: str
    states: tuple[sp.Symbol, ...]
    update: tuple[sp.Expr, ...]
    hyperparameters: tuple[Hyperparameter, ...]
    nonnegative: tuple[sp.Symbol, ...]
    dialect: str
    cite: str
    source: str = field(compare=False)
    initial: tuple[tuple[sp.Symbol, float], ...] = ()
    average_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.states or self.states[0] != notation.x:
            raise ValueError(f"{self.name}: states must start with the position x, not {self.states}")
        for state in self.states:
            if state not in notation.MEANINGS or state in notation.SYMBOLS - {x, notation.m, notation.v}:
                notation.require_free("state", str(state))
        for h in self.hyperparameters:
            if h.symbol not in notation.SYMBOLS:
                _require_free(h.name)
        used = [y.name for y in (*self.states, *(h.symbol for h in self.hyperparameters))]
        twice = {name for name in used if used.count(name) > 1}
        if twice:
            raise ValueError(f"{self.name}: {', '.join(sorted(twice))} stands for two states or hyperparameters")
        allowed = {*self.states, notation.g, notation.s, notation.k, *(h.symbol for h in self.hyperparameters)}
        for state, expression in zip(self.states, self.update, strict=True):
            unknown = expression.free_symbols - allowed - expression.atoms(Own)
            if unknown:
                names = ", ".join(sorted(map(str, unknown)))
                raise ValueError(
                    f"{self.name}: the update of {state} uses {names}, which is no state or hyperparameter"
                )
        for state, _ in self.initial:
            if state not in self.states[1:]:
                raise ValueError(f"{self.name}: {state} has an initial value, but is no state besides the position")

    @property
    def composite(self) -> bool:
        """Whether a step needs more than the coordinate's own gradient: see `operations`."""
        return is_composite(*self.update)


def update_rule(
    *,
    states: tuple[sp.Symbol, ...],
    nonnegative: tuple[sp.Symbol, ...] = (),
    dialect: str,
    cite: str,
    initial: Mapping[sp.Symbol, float] | None = None,
    lr: float = LEARNING_RATE.default,
) -> Callable[[Callable[..., dict[sp.Symbol, sp.Expr]]], UpdateRule]:
    """Decorator: turns a function that returns {state: next value} into an `UpdateRule`; ``lr`` is its default."""

    def build(function: Callable[..., dict[sp.Symbol, sp.Expr]]) -> UpdateRule:
        arguments = {name: p.default for name, p in inspect.signature(function).parameters.items()}
        for name, hyperparameter in arguments.items():
            if not isinstance(hyperparameter, Hyperparameter):
                raise TypeError(f"{function.__name__}: argument {name} needs a Hyperparameter as its default")
        update = function(**{name: h.symbol for name, h in arguments.items()})
        if set(update) != set(states):
            raise ValueError(f"{function.__name__}: update gives {set(update)}, but the states are {set(states)}")
        return UpdateRule(
            name=function.__name__,
            title=(function.__doc__ or function.__name__).strip().splitlines()[0].rstrip("."),
            states=states,
            update=tuple(sp.sympify(update[state]) for state in states),
            hyperparameters=(replace(LEARNING_RATE, default=lr), *arguments.values()),
            nonnegative=nonnegative,
            dialect=dialect,
            cite=cite,
            source=_source(function),
            initial=tuple((initial or {}).items()),
        )

    return build


def _source(function: Callable[..., object]) -> str:
    """Where the rule stands: inside this package from its root, else the file's name."""
    path = Path(function.__code__.co_filename)
    return f"derive/optimizers/{path.name}" if path.parent.name == "optimizers" else path.name
