"""Expectations over the noise of one step by quadrature, suited to each law.

`nodes` gives Gauss rules for smooth integrands; `rule` is for integrands that are smooth on both sides of a kink, such
as the generated step of an optimizer that takes a sign.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import linalg, special, stats

from adasde.ensemble import Array
from adasde.errors import InvalidParameter
from adasde.noise import Noise

Nodes = tuple[Array, Array]

NODES = 240
RELIABLE = 0.25
"""nu - moments from which on the Student-t rule is accurate to about 1e-9."""
NEAR = 6.0
"""Length of a Gauss-Legendre piece of a Student-t density next to its centre; kinks further than half of it from the
centre leave the bulk of the law to a cut of its own."""
_ROOT_HALF = math.sqrt(0.5)


def nodes(noise: Noise, n: int) -> Nodes:
    """n nodes z and weights w of E h(Z) for smooth h, a Gauss rule of each law.

    Gaussian: Gauss-Hermite. Student-t: Gauss-Gegenbauer in u = z/sqrt(nu + z^2), whose density is proportional to
    (1 - u^2)^(nu/2 - 1); that is fast for bounded h, while a moment of order r < nu is off by O(n^-(nu - r)). Laplace:
    Gauss-Laguerre on both halves. Exponential: Gauss-Laguerre. Mixture: Gauss-Hermite for each component. Discrete
    laws: their atoms, or where these are more than n, the Gauss rule of the discrete measure. Where there are fewer
    than n, the first is repeated with weight zero.
    """
    least = {"mixture": len(noise.law_data) // 3, "laplace": 2, "rademacher": 2, "two-point": 2}.get(noise.law, 1)
    if n < least:
        raise InvalidParameter(f"{noise.law}: number of nodes", n, f"[{least}, inf)", "give more nodes")
    z, w = _LAWS[noise.law](noise, n)
    missing = n - len(z)
    return np.concatenate([z, np.full(missing, z[0])]), np.concatenate([w, np.zeros(missing)])


def gauss(diagonal: Array, squares: Array) -> Nodes:
    """The Gauss rule of the orthonormal polynomials x p_k = sqrt(b_(k+1)) p_(k+1) + a_k p_k + sqrt(b_k) p_(k-1).

    a (n,) and b_1 ... b_(n-1); the measure has mass one. Nodes are eigenvalues of the Jacobi matrix (Golub and Welsch,
    Math. Comp. 23, 1969), weights 1/sum_k p_k(x)^2, which unlike eigenvectors keeps their relative accuracy.
    """
    roots = np.sqrt(squares)
    x = linalg.eigh_tridiagonal(diagonal, roots, eigvals_only=True)
    before, current, total = np.zeros_like(x), np.ones_like(x), np.ones_like(x)
    # Weights below the smallest numbers overflow here, and are zero.
    with np.errstate(over="ignore", invalid="ignore"):
        for k, root in enumerate(roots):
            last = roots[k - 1] if k else 0.0
            before, current = current, ((x - diagonal[k]) * current - last * before) / root
            total += current * current
    return x, 1 / np.where(np.isnan(total), np.inf, total)


def _hermite(n: int) -> Nodes:
    return gauss(np.zeros(n), np.arange(1.0, n))


def _laguerre(n: int) -> Nodes:
    """Nodes of int_0^inf h(x) exp(-x) dx."""
    k = np.arange(n, dtype=np.float64)
    return gauss(2 * k + 1, k[1:] ** 2)


def _gegenbauer(noise: Noise, n: int) -> Nodes:
    """b_k = k (k + nu - 2)/((2 k + nu - 1)(2 k + nu - 3)), and b_1 = 1/(1 + nu) without the factor that cancels."""
    k, nu = np.arange(2.0, n), noise.nu
    squares = np.concatenate([[1 / (1 + nu)], k * (k + nu - 2) / ((2 * k + nu - 1) * (2 * k + nu - 3))])
    u, w = gauss(np.zeros(n), squares[: n - 1])
    return math.sqrt(nu) * u / np.sqrt((1 - u) * (1 + u)), w


def _laplace(noise: Noise, n: int) -> Nodes:
    x, w = _laguerre(n // 2)
    return _ROOT_HALF * np.concatenate([-x[::-1], x]), np.concatenate([w[::-1], w]) / 2


def _exponential(noise: Noise, n: int) -> Nodes:
    x, w = _laguerre(n)
    return x - 1, w


def _mixture(noise: Noise, n: int) -> Nodes:
    components = _components(noise)
    x, w = _hermite(n // len(components))
    return np.concatenate([m + d * x for _, m, d in components]), np.concatenate([c * w for c, _, _ in components])


def _components(noise: Noise) -> list[tuple[float, float, float]]:
    return [(w, m, d) for w, m, d in np.reshape(noise.law_data, (3, -1)).T.tolist()]


def atoms(noise: Noise) -> Nodes:
    """Values and probabilities of a discrete law."""
    if noise.law == "rademacher":
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    if noise.law == "two-point":
        p = noise.parameters[0]
        return np.array([-math.sqrt(p / (1 - p)), math.sqrt((1 - p) / p)]), np.array([1 - p, p])
    data, n = noise.law_data, int(noise.law_data[4])
    return data[5 : 5 + n], np.diff(data[5 + n : 6 + 2 * n])


def _discrete(noise: Noise, n: int) -> Nodes:
    """The atoms, or the Gauss rule of their measure, with weights from eigenvectors: the polynomials of a discrete
    measure grow too fast for their recurrence where nodes have converged to atoms."""
    z, w = atoms(noise)
    if len(z) <= n:
        return z, w
    diagonal, squares = _lanczos(z, w, n)
    x, vectors = linalg.eigh_tridiagonal(diagonal, np.sqrt(squares))
    return x, vectors[0] ** 2


def _lanczos(z: Array, w: Array, n: int) -> Nodes:
    """Recurrence coefficients a (n,) and b_1 ... b_(n-1) of a discrete measure; fewer if so many are exact.

    Lanczos' iteration on diag(z) from sqrt(w); every vector is made orthogonal to all before it, twice, without which
    rounding would bring converged directions back (Gragg and Harrod, Numer. Math. 44, 1984).
    """
    q, a, b = np.zeros((n, len(z))), np.empty(n), np.empty(n)
    v = np.sqrt(w)
    for k in range(n):
        b[k] = v @ v
        if b[k] == 0:
            return a[:k], b[1:k]
        q[k] = v / math.sqrt(b[k])
        a[k] = q[k] @ (z * q[k])
        v = z * q[k]
        for _ in range(2):
            v = v - q[: k + 1].T @ (q[: k + 1] @ v)
    return a, b[1:]


_LAWS: dict[str, Callable[[Noise, int], Nodes]] = {
    "gaussian": lambda noise, n: _hermite(n),
    "student-t": _gegenbauer,
    "laplace": _laplace,
    "exponential": _exponential,
    "rademacher": _discrete,
    "two-point": _discrete,
    "mixture": _mixture,
    "empirical": _discrete,
}


def rule(noise: Noise, kinks: float | Sequence[float], moments: int = 0) -> Nodes:
    """Nodes z and weights of E h(Z), for h smooth between the kinks and O(|z|^moments).

    Gaussian: Gauss-Legendre between -10, the kinks and 10; mixture: the same for each component. Laplace and
    exponential: likewise between -28, 0, the kinks and 28, or -1, the kinks and 39. Student-t, whose tails are
    algebraic: exp-sinh quadrature beyond the outermost kinks a and b, z = a - exp(pi/2 sinh u) and b + exp(pi/2 sinh
    u), Gauss-Legendre between them, accurate to about 1e-9 for nu - moments >= `RELIABLE`. Discrete laws: all their
    atoms.
    """
    cuts = sorted({float(kink) for kink in np.atleast_1d(kinks)})
    if noise.law == "gaussian":
        return _gaussian_rule(cuts)
    if noise.law == "student-t":
        return _student_t_rule(noise.nu, cuts, moments)
    if noise.law == "laplace":
        return _pieces([-28.0, *_within([0.0, *cuts], -27.0, 27.0), 28.0], stats.laplace(scale=_ROOT_HALF).pdf)
    if noise.law == "exponential":
        return _pieces([-1.0, *_within(cuts, -1.0, 38.0), 39.0], stats.expon(loc=-1).pdf)
    if noise.law == "mixture":
        parts = [(c, m, d, *_gaussian_rule([(cut - m) / d for cut in cuts])) for c, m, d in _components(noise)]
        return np.concatenate([m + d * x for _, m, d, x, _ in parts]), np.concatenate([c * w for c, *_, w in parts])
    return atoms(noise)


def _within(cuts: Sequence[float], low: float, high: float) -> list[float]:
    return sorted({min(max(cut, low), high) for cut in cuts})


def _gaussian_rule(cuts: Sequence[float]) -> Nodes:
    return _pieces([-10.0, *_within(cuts, -9.0, 9.0), 10.0], stats.norm.pdf)


def _pieces(cuts: list[float], density: Callable[[Array], Array]) -> Nodes:
    """Gauss-Legendre with `NODES`/2 nodes between neighbouring cuts, times the density."""
    x, w = np.polynomial.legendre.leggauss(NODES // 2)
    pieces = list(itertools.pairwise(cuts))
    z = np.concatenate([(b - a) / 2 * x + (a + b) / 2 for a, b in pieces])
    return z, np.concatenate([(b - a) / 2 * w for a, b in pieces]) * density(z)


def _student_t_rule(nu: float, cuts: Sequence[float], moments: int) -> Nodes:
    if min(map(abs, cuts)) > NEAR / 2:
        cuts = sorted({*cuts, 0.0})
    last = math.asinh(min(max(22.0 / max(nu - moments, RELIABLE), 2.8), 46.0))
    u = np.linspace(-3.6, last, NODES)
    distance = np.exp(math.pi / 2 * np.sinh(u))
    weight = (u[1] - u[0]) * math.pi / 2 * np.cosh(u) * distance
    z = np.concatenate([cuts[0] - distance[::-1], cuts[-1] + distance])
    outer = z, np.concatenate([weight[::-1], weight]) * _student_t_density(z, nu)
    if len(cuts) == 1:
        return outer
    inner = _pieces(_refined(cuts), lambda y: _student_t_density(y, nu))
    return np.concatenate([outer[0], inner[0]]), np.concatenate([outer[1], inner[1]])


def _refined(cuts: Sequence[float]) -> list[float]:
    """The cuts, and between them 0, +-6, +-24, +-96, ...: pieces on each of which a power of 1 + z^2 is smooth."""
    far = max(abs(cuts[0]), abs(cuts[-1]))
    grid = [NEAR * 4.0**k for k in range(1 + max(0, math.ceil(math.log(max(far, NEAR) / NEAR, 4))))]
    between = [z for z in (0.0, *grid, *(-z for z in grid)) if cuts[0] < z < cuts[-1]]
    return sorted({*cuts, *between})


def _student_t_density(z: Array, nu: float) -> Array:
    scale = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - math.log(nu * math.pi) / 2
    density: Array = np.exp(scale - (nu + 1) / 2 * np.log1p(z * z / nu))
    return density
