"""Coefficients of `kernels/elementary.py`, `trigonometric.py`, `special.py`, `normals.py`, `normals64.py`, and of
`kernels/cuda/device/draws.py`.

`python tests/kernels/fit_erf.py` prints them.

Every table is a polynomial P or a ratio P/Q in u(x), Q(0) = 1, fitted by least squares of the weighted error
in about three times as many Chebyshev points as unknowns (for a ratio with the last round's 1/Q as a further
weight). That comes within a factor of two of the smallest possible error, without the exchange algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

Real = Any
Function = Callable[[Real], Real]

DIGITS = 50
ROUNDS = 10


def chebyshev_points(low: Real, high: Real, count: int) -> list[Real]:
    return [low + (high - low) * (1 - mp.cos(mp.pi * (i + mp.mpf(1) / 2) / count)) / 2 for i in range(count)]


def polynomial(coefficients: list[Real], u: Real) -> Real:
    return mp.polyval(coefficients[::-1], u)


def fit(
    f: Function, weight: Function, u: Function, interval: tuple[Real, Real], top: int, bottom: int = 0
) -> tuple[list[Real], list[Real], Real]:
    """P (degree `top`), Q (degree `bottom`) and max |weight (f - P/Q)| on the interval."""
    points = chebyshev_points(*interval, 3 * (top + bottom + 2))
    rows = [(f(x), weight(x), u(x)) for x in points]
    q = [mp.mpf(1)]
    for _ in range(ROUNDS if bottom else 1):
        a, b = mp.matrix(len(rows), top + bottom + 1), mp.matrix(len(rows), 1)
        for i, (value, w, v) in enumerate(rows):
            w = w / polynomial(q, v)
            powers = [v**k for k in range(top + 1)] + [-value * v**k for k in range(1, bottom + 1)]
            for k, power in enumerate(powers):
                a[i, k] = w * power
            b[i] = w * value
        solution = list(mp.lu_solve(a.T * a, a.T * b))
        p, q = solution[: top + 1], [mp.mpf(1), *solution[top + 1 :]]
    dense = chebyshev_points(*interval, 8 * len(points))
    error = max(abs(weight(x) * (f(x) - polynomial(p, u(x)) / polynomial(q, u(x)))) for x in dense)
    return p, q, error


def tables() -> dict[str, tuple[list[Real], list[Real], Real]]:
    """Name of the table -> (P, Q, error); the docstrings of the kernels give the formulas that use them."""
    mp.mp.dps = DIGITS
    tiny, one = mp.mpf("1e-6"), mp.mpf(1)
    s_max = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    r_max = mp.log(2) / 2

    def square(x: Real) -> Real:
        return x * x

    def itself(x: Real) -> Real:
        return x

    def sine(x: Real) -> Real:
        return mp.sin(2 * mp.pi * x) / x

    def cosine(x: Real) -> Real:
        return mp.cos(2 * mp.pi * x)

    def logarithm(s: Real) -> Real:
        return (2 * mp.atanh(s) / s - 2) / (s * s)

    def sine_rest(r: Real) -> Real:
        return (mp.sin(r) - r) / r**3

    def cosine_rest(r: Real) -> Real:
        return (mp.cos(r) - 1 + r * r / 2) / r**4

    def radius(s: Real) -> Real:
        return -4 * mp.atanh(s) / s

    def exponential(r: Real) -> Real:
        return (mp.expm1(r) - r) / (r * r)

    def mills(z: Real) -> Real:
        return mp.exp(z * z / 2) * mp.erfc(z / mp.sqrt(2)) / 2

    def laplace(a: Real) -> Real:
        return -mp.log(mp.erfc(a / mp.sqrt(2))) / a

    def half_line(t: Real) -> Real:
        return 2 * t / (1 - t)

    return {
        "ERF": fit(lambda x: mp.erf(x) / x, itself, square, (tiny, mp.mpf("5.6")), 10, 10),
        "ATAN": fit(lambda x: mp.atan(x) / x, itself, square, (tiny, one), 5, 5),
        "TAIL": fit(
            lambda t: mills(half_line(t)), lambda t: 1 / mills(half_line(t)), half_line, (tiny, mp.mpf(39) / 41), 9, 10
        ),
        "LOG": fit(logarithm, square, square, (tiny, s_max), 6),
        "EXP": fit(exponential, itself, itself, (-r_max - tiny / 7, r_max), 10),
        "SINE": fit(sine, lambda x: 1 / sine(x), square, (tiny, one / 4), 8),
        "SIN": fit(sine_rest, square, square, (one / 10**4, mp.pi / 4), 5),
        "COS": fit(cosine_rest, lambda r: r**4, square, (one / 100, mp.pi / 4), 5),
        "SINE64": fit(sine, lambda x: 1 / sine(x), square, (tiny, one / 8), 6),
        "COSINE64": fit(cosine, lambda x: 1 / cosine(x), square, (tiny, one / 8), 6),
        "RADIUS32": fit(radius, lambda s: 1 / radius(s), square, (tiny, s_max), 3),
        "SINE32": fit(sine, lambda x: 1 / sine(x), square, (tiny, one / 4), 4),
        "LAPLACE32": fit(laplace, lambda a: 1 / laplace(a), itself, (tiny, mp.mpf("6.78")), 4, 3),
        "COSINE32": fit(cosine, lambda x: one, square, (tiny, one / 4), 4),
    }


if __name__ == "__main__":
    for name, (p, q, error) in tables().items():
        print(f"# {name}: error {mp.nstr(error, 2)}")
        for suffix, coefficients in zip("PQ", (p, q) if len(q) > 1 else (p,), strict=False):
            print(f"{name}_{suffix} = ({', '.join(repr(float(c)) for c in coefficients)})")
