"""The covariance of one step between two coordinates, under noise that is correlated between them.

Z_i and Z_j are standard normal with correlation R. Their density phi2 solves d phi2/dR = d^2 phi2/(dy dz), so by parts

    d/dR E[F(Z_i) H(Z_j)] = E[F'(Z_i) H'(Z_j)]          (R. Price, IRE Trans. Inform. Theory 4, 1958)

and because F(Z_i) and H(Z_j) are independent for R = 0, Cov(F(Z_i), H(Z_j)) is the integral of this from 0 to R. With
F and H polynomials it is a polynomial of R, with two signs an integral of phi2 which is arcsin where both are centred.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from adasde.derive.covariance import cholesky, coefficient_matrix, gram_matrix, noise_functions
from adasde.derive.expectation import affine, expectation
from adasde.derive.law import Law, NotDerivable
from adasde.derive.model import SDE, Derivation, Step
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, eta
from adasde.derive.operations import Batch

R = sp.Symbol("R", real=True)
"""The correlation of the noise of two coordinates, Sigma_ij/(s_i s_j)."""
r = sp.Symbol("r", real=True)
"""The same as a variable of integration."""
_c = sp.Dummy("c", positive=True)
"""sqrt(1 - r^2), positive for the rules of expectations."""
_y = sp.Symbol("y", real=True)


SIGNS = sp.Symbol("C_ij", real=True)
"""The covariance of two signs, an integral where their signals do not vanish."""
SIGNAL = sp.Symbol("q", real=True)
"""What a sign adds to Z: sign(g) = sign(Z + q) with q = G/s."""


@dataclass(frozen=True)
class Between:
    """How one step is correlated between two coordinates i and j; symbols of these end in _i and _j.

    functions  the functions of Z that occur, a sign as sign(Z + q)
    signal     q, or None without a sign
    signs      (covariance of the signs, the same for q_i = q_j = 0), or None
    noise      Cov(f(Z_i), w(Z_j)) for each pair of functions, entry [f, w]; `SIGNS` stands for that of two signs
    step       covariance of one step over eta between state y of i and state w of j, entry [y, w], its eta included
    motions    correlation of the Brownian motions, or None where they do not belong to functions of Z
    """

    functions: tuple[sp.Expr, ...]
    signal: sp.Expr | None
    signs: tuple[sp.Expr, sp.Expr] | None
    noise: sp.Matrix
    step: sp.Matrix
    motions: sp.Matrix | None


def density(y: sp.Expr, z: sp.Expr, correlation: sp.Expr) -> sp.Expr:
    """phi2, the density of two standard normals with this correlation."""
    below = 1 - correlation**2
    exponent = -(y**2 - 2 * correlation * y * z + z**2) / (2 * below)
    return sp.exp(exponent) / (2 * sp.pi * sp.sqrt(below))


def price(first: sp.Expr, second: sp.Expr) -> sp.Expr:
    """E[F'(Z_i) H'(Z_j)] at correlation r for functions F, H of Z: the derivative by r of E[F(Z_i) H(Z_j)]."""
    outer, inner = (sp.diff(function, Z) for function in (first, second))
    if not outer.has(sp.DiracDelta):
        outer, inner = inner, outer
    given = expectation(inner.subs(Z, r * _y + _c * Z), Gaussian())
    found = sp.Add(*(_mean(term, given) for term in sp.Add.make_args(sp.expand(outer))))
    found = sp.expand(sp.expand(found).subs(_c, sp.sqrt(1 - r**2)))
    return sp.Add(*(_one_exponential(term) for term in sp.Add.make_args(found)))


def _one_exponential(term: sp.Expr) -> sp.Expr:
    """The product with its exponentials as one, their exponent over 2 (1 - r^2) where it has r below."""
    factors = [f for f in sp.Mul.make_args(term) if not isinstance(f, sp.exp)]
    exponent = sp.cancel(sp.Add(*(f.args[0] for f in sp.Mul.make_args(term) if isinstance(f, sp.exp))))
    below = 2 * (1 - r**2)
    if sp.denom(exponent).has(r):
        exponent = sp.cancel(exponent * below) / below
    return sp.Mul(*factors, sp.exp(exponent))


def covariance(first: sp.Expr, second: sp.Expr, law: Law) -> sp.Expr:
    """Cov(F(Z_i), H(Z_j)) at correlation R: a polynomial of R, or for two signs an integral.

    Raises `NotDerivable` for functions other than Z itself under a law that is not Gaussian: covariances do not
    determine the joint law then.
    """
    if first == second == Z:
        return R * law.moment(2)
    if law != Gaussian():
        raise NotDerivable(
            f"full covariance: a rule that is not linear in g needs the joint law of two coordinates, which a "
            f"covariance matrix does not determine for {law.name} noise; use gaussian noise"
        )
    rate = price(first, second)
    if first.has(sp.sign) and second.has(sp.sign):
        return sp.Integral(rate, (r, 0, R))
    return sp.factor(sp.integrate(rate, (r, 0, R)))


def between(derivation: Derivation) -> Between:
    """The correlation of one step of ``derivation`` between two coordinates."""
    if any(h.atoms(Batch) for h in derivation.increment):
        raise NotDerivable(
            f"full covariance: {derivation.rule.name}: a step depends on the noise of several minibatches, whose "
            "correlation between coordinates is not derived"
        )
    increments, signal = _with_signal(derivation.increment)
    functions = noise_functions(increments)
    sides = [_of_coordinate(derivation.sde, letter) for letter in "ij"]
    here, there = ([f.xreplace(side) for f in functions] for side in sides)
    noise = sp.Matrix(len(functions), len(functions), lambda a, b: covariance(here[a], there[b], derivation.law))
    integrals = [entry for entry in noise if isinstance(entry, sp.Integral)]
    signs = (integrals[0], _without_signal(integrals[0])) if integrals else None
    noise = noise.xreplace(dict.fromkeys(integrals, SIGNS))
    coefficients = coefficient_matrix(increments, functions)
    left, right = (coefficients.xreplace(side) for side in sides)
    step = (eta * left * noise * right.T).applyfunc(sp.factor_terms)
    motions = None
    if derivation.sde.degrees is not None:
        factor = cholesky(gram_matrix(functions, derivation.law))
        first, second = (factor.xreplace(side).inv() for side in sides)
        motions = (first * noise * second.T).applyfunc(sp.factor_terms)
    return Between(functions, signal, signs, noise, step, motions)


def correlation_steps(derivation: Derivation) -> tuple[Step, ...]:
    """The steps of a derivation that a full covariance adds."""
    found, states = between(derivation), derivation.sde.states
    nonlinear = any(f != Z for f in found.functions)
    entries = tuple(
        (sp.Symbol(f"a_{y}{w}^ij"), found.step[a, b]) for a, y in enumerate(states) for b, w in enumerate(states)
    )
    return (
        _two_coordinates(derivation.law),
        *(_rule_of_price() if nonlinear else ()),
        _noise(derivation, found),
        *_signs(found),
        Step("Covariance between coordinates", "a = eta Cov h, h as above for either coordinate", entries),
        *_motions(derivation, found),
    )


STATE_DEPENDENT = (
    "Sigma may depend on x: the models of both orders take Sigma(x) at the current state. Order two needs of its "
    "derivatives only those of s_i = sqrt(Sigma_ii) along the drift, which are sb: the drift depends on the law of "
    "each coordinate by itself, and the covariance of one step is that at its start"
)
"""What holds for a covariance that depends on the state, in the ballistic scaling."""


def _two_coordinates(law: Law) -> Step:
    zi, zj = sp.symbols("Z_i Z_j", real=True)
    about = "i and j differ, their noise has the correlation R = Sigma_ij/(s_i s_j)"
    if law != Gaussian():
        return Step("Two coordinates", about, ((sp.Function("Cov")(zi, zj), covariance(Z, Z, law)),))
    apart = sp.Symbol("Z", commutative=False)
    equation = (zj, sp.Tuple(R * zi, sp.sqrt(1 - R**2) * apart))
    return Step("Two coordinates", f"{about}; Z is standard normal and independent of Z_i", (equation,))


def _rule_of_price() -> tuple[Step]:
    z = sp.Symbol("z", real=True)
    reason = (
        "the density phi of Z_i and Z_j at correlation r solves d phi/dr = d^2 phi/(dy dz); by parts, for functions F "
        "and H, d E[F(Z_i) H(Z_j)]/dr = E[F'(Z_i) H'(Z_j)]"
    )
    return (Step("Price's rule", reason, ((sp.Function("phi")(_y, z), density(_y, z, r)),)),)


def _noise(derivation: Derivation, found: Between) -> Step:
    sides = [_of_coordinate(derivation.sde, letter) | {Z: sp.Symbol(f"Z_{letter}", real=True)} for letter in "ij"]
    here, there = ([f.xreplace(side) for f in found.functions] for side in sides)
    n, cov = len(found.functions), sp.Function("Cov")
    pairs = [(cov(here[a], there[b]), found.noise[a, b]) for a in range(n) for b in range(n)]
    signal = [(SIGNAL, found.signal)] if found.signal not in (None, SIGNAL) else []
    reason = "the integral of E[F' H'] over r from 0 to R, as F and H are independent at r = 0"
    return Step("Noise between coordinates", reason if n > 1 or found.signs else "by definition", (*signal, *pairs))


def _signs(found: Between) -> tuple[Step, ...]:
    if found.signs is None:
        return ()
    reason = (
        "the derivative of sign(Z + q) is twice a point mass at Z = -q, so C_ij is the integral of 4 phi(q_i, q_j) "
        "over r, which is 4 (P(g_i > 0, g_j > 0) - P(g_i > 0) P(g_j > 0)), with the probability of an orthant; C_ij^0 "
        "is that without signal, the arcsine law"
    )
    whole, centred = found.signs
    return (Step("Signs", reason, ((SIGNS, whole), (sp.Symbol("C_ij^0"), centred))),)


def _motions(derivation: Derivation, found: Between) -> tuple[Step, ...]:
    if found.motions is None:
        return ()
    if found.signs is not None:
        reason = "W_1 belongs to sign(g) - E sign(g); mu the mean sign"
    else:
        reason = "W_n belongs to the Hermite polynomial of Z of degree n: the n-th power of R, entry by entry (Mehler)"
    corr, n = sp.Function("Corr"), found.motions.rows
    shown = found.motions.replace(sp.erf, lambda y: _mean_sign(y))
    equations = [
        (corr(sp.Symbol(f"dW{a + 1}^i"), sp.Symbol(f"dW{b + 1}^j")), shown[a, b]) for a in range(n) for b in range(n)
    ]
    return (Step("Motions", reason, tuple(equations)),)


def _mean_sign(y: sp.Expr) -> sp.Symbol:
    """mu_i for erf of what has symbols of coordinate i."""
    letter = sorted(y.free_symbols, key=str)[0].name[-1]
    return sp.Symbol(f"mu_{letter}", real=True)


def _with_signal(increments: tuple[sp.Expr, ...]) -> tuple[tuple[sp.Expr, ...], sp.Expr | None]:
    """Increments with sign(Z + q) for their sign, and q."""
    signs = sorted({e for h in increments for e in h.atoms(sp.sign) if e.has(Z)}, key=str)
    pieces = {sign: affine(sign.args[0]) for sign in signs}
    signals = {shift for _, shift, _ in pieces.values()}
    if len(signals) > 1:
        raise NotDerivable(f"full covariance: signs of {len(signals)} different signals are not supported")
    forms = {sign: orientation * sp.sign(Z + SIGNAL) for sign, (_, _, orientation) in pieces.items()}
    return tuple(h.xreplace(forms) for h in increments), signals.pop() if signals else None


def _without_signal(integral: sp.Integral) -> sp.Expr:
    """The integral for q_i = q_j = 0."""
    zero = {sp.Symbol(f"q_{letter}", real=True): 0 for letter in "ij"}
    return sp.integrate(integral.function.subs(zero), (r, 0, R))


def _mean(term: sp.Expr, given: sp.Expr) -> sp.Expr:
    """E[term(Z) given(y = Z)]: at a point for a delta function, else exact."""
    deltas = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.DiracDelta)]
    if not deltas:
        if not given.is_polynomial(_y):
            raise NotDerivable(f"full covariance: the mean of {term} with {given} is not known")
        return expectation(term * given.subs(_y, Z), Gaussian())
    slope, shift, _ = affine(deltas[0].args[0])
    rest = (term / deltas[0]) * given.subs(_y, Z)
    return rest.subs(Z, -shift) * Gaussian().density(-shift) / slope


def _of_coordinate(sde: SDE, letter: str) -> dict[sp.Symbol, sp.Symbol]:
    """{symbol: the same with _i}: states, inputs, and the names that depend on them."""
    own = {*sde.states, *sde.inputs, SIGNAL}
    for name, value in sde.named:
        if value.free_symbols & own:
            own.add(name)
    return {y: sp.Symbol(f"{y.name}_{letter}", **y.assumptions0) for y in own}
