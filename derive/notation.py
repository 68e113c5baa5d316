"""The symbols of every rule, derivation and generated kernel, with meaning and units.

Time is t = eta k. ``s`` is the scale of the gradient noise in one coordinate: g = G + s Z. Everything here is per
coordinate, because the rules act coordinate by coordinate and the noise is diagonal.
"""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass

import sympy as sp

x, m = sp.symbols("x m", real=True)
v = sp.Symbol("v", nonnegative=True)
t = sp.Symbol("t", positive=True)
k = sp.Symbol("k", positive=True, integer=True)
G = sp.Symbol("G", real=True)
s = sp.Symbol("s", positive=True)
Z = sp.Symbol("Z", real=True)
g = sp.Symbol("g", real=True)
eta = sp.Symbol("eta", positive=True)
rho1, rho2, rho3 = sp.symbols("rho1 rho2 rho3", positive=True)
rho_a, rho_c = sp.symbols("rho_a rho_c", positive=True)


class Share(sp.Symbol):
    """A symbol with values in (0, 1): what sympy's own assumptions cannot say."""


def sign_of(expression: sp.Expr) -> int:
    """1 or -1 where the sign of the expression is known, else 0; shares b count as 1/(1 + u) with u > 0."""
    shares = {b: 1 / (1 + sp.Dummy(positive=True)) for b in expression.atoms(Share)}
    value = sp.factor(expression.subs(shares)) if shares else expression
    return 1 if value.is_positive else -1 if value.is_negative else 0


beta1, beta2, beta3 = (Share(name, positive=True) for name in ("beta1", "beta2", "beta3"))
ema = Share("ema", positive=True)
memory = Share("memory", positive=True)
eps = sp.Symbol("eps", nonnegative=True)
theta = sp.Symbol("theta", nonnegative=True)
nu = sp.Symbol("nu", positive=True)
p = sp.Symbol("p", positive=True)
Hb, sb = sp.symbols("Hb sb", real=True)
H, Ht = sp.symbols("H Ht", real=True)


def moment_symbol(n: int) -> sp.Symbol:
    """M_n = E Z^n, n >= 3, where a law is known by its moments only; positive for even n."""
    return sp.Symbol(f"M{n}", real=True) if n % 2 else sp.Symbol(f"M{n}", positive=True)


@dataclass(frozen=True)
class Meaning:
    """What a symbol stands for and in which units: [f] loss, [x] parameter, [t] = step size times steps."""

    name: str
    meaning: str
    units: str


MEANINGS: dict[sp.Symbol, Meaning] = {
    x: Meaning("x", "parameter", "[x]"),
    m: Meaning("m", "first-moment state", "[f]/[x]"),
    v: Meaning("v", "second-moment state", "([f]/[x])^2"),
    t: Meaning("t", "time, t = eta k before the step", "[t]"),
    k: Meaning("k", "number of the step, from 1", "1"),
    G: Meaning("G", "gradient of the loss in this coordinate", "[f]/[x]"),
    s: Meaning("s", "scale of the gradient noise in this coordinate (per-sample scale / sqrt(batch))", "[f]/[x]"),
    Z: Meaning("Z", "standard variable of the noise law", "1"),
    g: Meaning("g", "stochastic gradient, g = G + s Z", "[f]/[x]"),
    eta: Meaning("eta", "learning rate", "[t]"),
    rho1: Meaning("rho1", "rate of the first moment, rho1 = (1 - beta1)/eta", "1/[t]"),
    rho2: Meaning("rho2", "rate of the second moment, rho2 = (1 - beta2)/eta", "1/[t]"),
    rho3: Meaning("rho3", "rate of a third average, rho3 = (1 - beta3)/eta", "1/[t]"),
    rho_a: Meaning("rho_a", "rate of the average of the parameters, rho_a = (1 - ema)/eta", "1/[t]"),
    rho_c: Meaning("rho_c", "rate at which coloured noise forgets, rho_c = (1 - memory)/eta", "1/[t]"),
    beta1: Meaning("beta1", "decay of the first moment", "1"),
    beta2: Meaning("beta2", "decay of the second moment", "1"),
    beta3: Meaning("beta3", "decay of a third average", "1"),
    ema: Meaning("ema", "decay of the average of the parameters", "1"),
    memory: Meaning("memory", "correlation of coloured noise between two steps", "1"),
    eps: Meaning("eps", "added to the root of the second moment", "[f]/[x]"),
    theta: Meaning("theta", "decoupled weight decay", "1/[t]"),
    nu: Meaning("nu", "degrees of freedom of the Student-t noise", "1"),
    p: Meaning("p", "probability of the upper value of two-point noise", "1"),
    H: Meaning("H", "Hessian of the loss, acting on the vector of what it multiplies", "[f]/[x]^2"),
    Ht: Meaning("Ht", "transposed Jacobian of a two-player field, acting on what it multiplies", "[f]/[x]^2"),
    Hb: Meaning("Hb", "Hessian times the leading position drift (order two)", "[f]/[x]/[t]"),
    sb: Meaning("sb", "derivative of the noise scale along the leading position drift (order two)", "[f]/[x]/[t]"),
}


RESERVED = re.compile(
    r"[acrzdQ]\d*|[be]\d+|mu\d*|gamma\d*|[pijqPZ]|dt|noise|scale|state|gradient|curvature|lane.*"
    r"|(total|vector|average|sums|mean|at|out|width|w)\d+|(normal|uniform|exponential)\d*"
    r"|field|spread|hessian|transposed|factor|data|.*_(next|floored|centred|side|tail)|inverse_s"
    r"|algorithm|parameters|law|quadrature|math|np|step_kernel|Hyperparameter|zeta|[A-Z]{3,}"
)
"""Names that generated code and derivations give to other things."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    "atan cos empirical_sign erf erfc exp expm1 gamma_step gradient_at keep_largest log log1p newton_schulz "
    "normal_tail power sign sin staged_kernel student_t_sign tanh vote vote_error vote_slope whole_power"
)
"""What generated code calls, besides Python's own: a variable of that name would hide it."""

OPTIONS = _words(
    "chunk device executor fast increments init keep_paths loss model noise noise_precision optimizer paths "
    "precision progress save seed start steps substeps threads x0"
)
"""Arguments of `adasde.simulate`, beside which hyperparameters are given by name."""


def state(name: str, like: sp.Symbol, meaning: str = "", nonnegative: bool | None = None) -> sp.Symbol:
    """A further state of a rule, with the units of ``like``: x, m or v.

    ``nonnegative`` is by default what it is for ``like``. Raises `ValueError` for a name that means something else.
    """
    require_free("state", name)
    keeps = bool(like.is_nonnegative) if nonnegative is None else nonnegative
    symbol = sp.Symbol(name, nonnegative=True) if keeps else sp.Symbol(name, real=True)
    MEANINGS.setdefault(symbol, Meaning(name, meaning or f"further state, like {like}", MEANINGS[like].units))
    return symbol


def require_free(kind: str, name: str) -> None:
    """Raises `ValueError` for a state or hyperparameter whose name generated code needs for something else."""
    taken = {
        "a symbol of the notation": name in {symbol.name for symbol in SYMBOLS},
        "a function that generated code calls": name in FUNCTIONS or hasattr(builtins, name),
        "a word of Python": keyword.iskeyword(name),
        "an argument of simulate": kind == "hyperparameter" and name in OPTIONS,
        "a name of generated code": RESERVED.fullmatch(name) is not None,
    }
    reasons = [reason for reason, holds in taken.items() if holds]
    if not name.isidentifier():
        reasons = ["no name in Python"]
    if reasons:
        remedy = "choose a longer one, such as the_" + re.sub(r"\W", "_", name)
        raise ValueError(f"{kind}: name = {name!r} is outside {{names that are free}}: it is {reasons[0]}; {remedy}")


SYMBOLS = frozenset(MEANINGS)
"""The symbols of this module, without the states that rules add."""
