"""A published SDE, held against the derivation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.law import Law
from adasde.derive.model import SDE
from adasde.derive.names import Named
from adasde.derive.notation import G, eps, eta, rho1, rho2, s, t, v
from adasde.derive.rule import UpdateRule
from adasde.papers.zero import nonzero_at_a_point

P = sp.Symbol("P", positive=True)
gamma1, gamma2 = sp.symbols("gamma1 gamma2", positive=True)
mu = sp.Symbol("mu", real=True)
ROOT_ETA = sp.sqrt(eta)
BIAS: Named = ((gamma1, 1 - sp.exp(-rho1 * t)), (gamma2, 1 - sp.exp(-rho2 * t)))
"""The bias factors gamma_i(t) = 1 - e^(-rho_i t) as papers print them."""

PROVENANCE = ("confirmed", "public code", "reconstructed", "recalled and checked", "recalled", "derived")
"""confirmed: read in a public source that quotes it, with its number; public code: read in the authors' published
code; reconstructed: re-derived and checked numerically, not read in print; recalled and checked: from memory, checked
numerically; recalled: unchecked; derived: in no paper that was found, a consequence stated by us."""


@dataclass(frozen=True)
class Claim:
    """One published SDE statement.

    statement   its number in the paper, or "" where the number was not confirmed
    equations   law -> the printed equations as an `SDE`
    found       law -> what comes out of published - derived: (drift, covariance) as in `difference`; recorded here
                so that a test can expect exactly this
    remark      the finding in words
    """

    paper: str
    optimizer: str
    statement: str
    provenance: str
    equations: Callable[[Law], SDE]
    found: Callable[[Law], tuple[sp.Matrix, sp.Matrix]]
    remark: str

    def __post_init__(self) -> None:
        if self.provenance not in PROVENANCE:
            raise ValueError(f"{self.paper} {self.optimizer}: provenance {self.provenance!r} is not in {PROVENANCE}")

    @property
    def title(self) -> str:
        number = f" {self.statement}" if self.statement else ""
        return f"{self.paper}{number} ({self.provenance})"


def variance(law: Law) -> sp.Expr:
    """Sigma in one coordinate: the variance of s Z."""
    return law.moment(2) * s**2


def missing_in_rmsprop(law: Law) -> sp.Matrix:
    """published - derived covariance of (x, v) where RMSprop is printed without the noise of V."""
    cross = 2 * eta * rho2 * G * variance(law) / P
    second = -eta * rho2**2 * (4 * G**2 * variance(law) + _variance_of_square(law) * s**4)
    return sp.Matrix([[0, cross], [cross, second]])


def missing_in_adam(law: Law) -> sp.Matrix:
    """published - derived covariance of (x, m, v) where Adam is printed without the noise of V and without the noise
    half of the look-ahead eta rho1 (g - M) in X."""
    noise_x, noise_m, noise_v = -eta * rho1 * adam_gain(), rho1, 2 * rho2 * G
    xx, xm, xv, mv = noise_x**2, noise_x * noise_m, noise_x * noise_v, noise_m * noise_v
    vv = noise_v**2 + rho2**2 * _variance_of_square(law) * s**4 / variance(law)
    return -eta * variance(law) * sp.Matrix([[xx, xm, xv], [xm, 0, mv], [xv, mv, vv]])


def adam_gain() -> sp.Expr:
    """1/(gamma1 (sqrt(V/gamma2) + eps)), what Adam multiplies its first moment by."""
    return 1 / gamma1 / (sp.sqrt(v / gamma2) + eps)


def _variance_of_square(law: Law) -> sp.Expr:
    return law.moment(4) - law.moment(2) ** 2


def printed_sde(
    paper: str,
    optimizer: str,
    law: Law,
    states: tuple[sp.Symbol, ...],
    drift: list[sp.Expr],
    noise: list[sp.Expr],
    named: Named,
    provenance: str,
    moments: int = 2,
) -> SDE:
    """An `SDE` with one Brownian motion per coordinate, as this literature prints them."""
    return SDE(
        optimizer=optimizer,
        model=paper,
        law=law,
        states=states,
        nonnegative=tuple(y for y in states if y == v),
        drift=sp.ImmutableDenseMatrix(drift),
        diffusion=sp.ImmutableDenseMatrix(noise),
        named=named,
        inputs=(G, s),
        weak_order=1,
        assumptions=("diagonal Sigma", "beta_i = 1 - eta rho_i", "t = eta k"),
        dropped=(),
        provenance=provenance,
        singular=len(states) > 1,
        moments=moments,
        degrees=(1,) if moments else (0,),
    )


@dataclass(frozen=True)
class Difference:
    """published - derived: drift (n x 1) and covariance (n x n), simplified."""

    drift: sp.Matrix
    covariance: sp.Matrix

    @property
    def zero(self) -> bool:
        return self.drift.is_zero_matrix is True and self.covariance.is_zero_matrix is True

    def equals(self, drift: sp.Matrix, covariance: sp.Matrix) -> bool:
        """Whether both parts equal the given ones, symbolically."""
        return all_vanish(sp.Matrix([*(self.drift - drift), *(self.covariance - covariance)]))


def difference(published: SDE, derived: SDE) -> Difference:
    """published - derived; both must have the same states and noise law.

    Names that both define alike (gamma1, gamma2, mu) stay; all others (P) are written out.
    """
    drift, covariance = gaps(published, derived)
    return Difference(drift.applyfunc(_simplified), covariance.applyfunc(_simplified))


def gaps(published: SDE, derived: SDE) -> tuple[sp.Matrix, sp.Matrix]:
    """The `difference` in drift and covariance as it stands, not simplified."""
    if published.states != derived.states or published.law != derived.law:
        raise ValueError(f"{published.optimizer}: the two SDEs differ in their states or noise law")
    shared = frozenset(name for name, value in published.named if (name, value) in derived.named)

    def gap(a: sp.Matrix, b: sp.Matrix) -> sp.Matrix:
        return sp.Matrix(published.expand_names(a, shared) - derived.expand_names(b, shared))

    return gap(published.drift, derived.drift), gap(published.covariance, derived.covariance)


def all_vanish(entries: sp.Matrix) -> bool:
    """Whether all entries are 0, symbolically; a value at a point tells most of those that are not."""
    return not any(map(nonzero_at_a_point, entries)) and all(_simplified(entry) == 0 for entry in entries)


def compare(claim: Claim, rule: UpdateRule, law: Law) -> tuple[Difference, bool]:
    """The difference of a claim from the derivation, and whether it is the recorded one."""
    found = difference(claim.equations(law), derive(rule, law).sde)
    return found, found.equals(*claim.found(law))


def _simplified(expression: sp.Expr) -> sp.Expr:
    return sp.factor(sp.simplify(expression))
