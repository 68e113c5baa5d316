"""Functions of one real number in a given precision T, float32 or float64: `sign_in(T)` and its kin return them.

A literal such as 2.0 would turn a float32 expression into float64, so that every constant is cast to T.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import uint32

from adasde.kernels.cuda.device.arithmetic import device
from adasde.kernels.cuda.device.normals import cosine_sine, squared_radius
from adasde.kernels.cuda.device.philox import path_words
from adasde.kernels.normals import SINE_P
from adasde.kernels.special import gamma_step as gamma_step  # passed on to generated kernels

_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8 = SINE_P
"""sin(2 pi x) = x P(x^2) for |x| <= 1/4: CUDA's own sine needs memory for arguments of any size."""

Precision = Any
"""numpy's float32 or float64."""


def tiny_in(T: Precision) -> Any:
    """What is added to a noise scale before it divides: invisible beside any scale in use, and its square is normal."""
    return T(1e-100 if T is np.float64 else 1e-18)


def sign_in(T: Precision) -> Any:
    """sign(x) is -1, 0 or 1; 0 stays 0 and NaN stays NaN."""

    @device
    def sign(x):
        return T(1) if x > T(0) else (T(-1) if x < T(0) else x)

    return sign


def student_t_sign_in(T: Precision) -> Any:
    """student_t_sign(y, nu, ratio) = E sign(y + T_nu) = 2 F(y) - 1, with ratio = Gamma((nu + 1)/2)/(sqrt(pi) Gamma(nu/2)).

    I_x(1/2, b) with b = nu/2 and x = y^2/(nu + y^2), by the series of positive terms that
    `adasde.kernels.special.student_t_sign` uses where nu is not whole: at most about 200 of them.
    """
    least = T(1e-17 if T is np.float64 else 1e-8)

    @device
    def hypergeometric(a, c, x):
        term, total, n = T(1), T(1), T(0)
        while term > least * total:
            term *= (a + n) / (c + n) * x
            total += term
            n += T(1)
        return total

    @device
    def student_t_sign(y, nu, ratio):
        a, b, root = abs(y), T(0.5) * nu, T(math.sqrt(nu))
        if a < root:
            q = (a / root) * (a / root)
            x = q / (T(1) + q)
            factor = ratio * T(math.exp(-b * T(math.log1p(q))))
            # The other series is at most its first factor over x: where that is nothing, this one would be long.
            certain = factor < T(1e-18) * b * T(math.sqrt(x))
            end = T(0) if certain else x
            value = T(2) * factor * T(math.sqrt(x)) * hypergeometric(b + T(0.5), T(1.5), end)
            value = T(1) if certain else value
        else:
            q = (root / a) * (root / a)
            power = T(math.exp(b * (T(math.log(q)) - T(math.log1p(q)))))
            series = hypergeometric(b + T(0.5), b + T(1), q / (T(1) + q))
            value = T(1) - ratio / b * power / T(math.sqrt(T(1) + q)) * series
            value = T(1) if q == T(0) else value
        value = T(1) if value > T(1) else value
        value = -value if y < T(0) else value
        return y if y != y or y == T(0) else value

    return student_t_sign


def student_t_in(T: Precision) -> Any:
    """student_t(q, path, seed, nu): variate q of a path, sqrt(nu (U^(-2/nu) - 1)) cos(2 pi V) (Bailey 1994).

    U and V come from the words of `normals.pair_cosine`: the variate has the sign of that normal and grows with its r.
    """
    if T is np.float32:

        @device
        def radius(word, nu):
            e = np.float32(math.expm1(squared_radius(word) / (T(2) * nu)))
            return np.float32(math.sqrt(nu * e * (e + T(2))))

        @device
        def turn(word):
            return cosine_sine(word)[0]

    else:

        @device
        def radius(word, nu):
            u = (T(np.int32(word)) + 0.5) * 2.0**-32
            e = math.expm1(-math.log(u + 1.0 if u < 0.0 else u) / nu)
            return math.sqrt(nu * e * (e + 2.0))

        @device
        def turn(word):
            x = 0.25 - abs((T(np.int32(word)) + 0.5) * 2.0**-32)
            u = x * x
            high = _S4 + u * (_S5 + u * (_S6 + u * (_S7 + u * _S8)))
            return x * (_S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * high))))

    @device
    def student_t(q, path, seed, nu):
        w0, w1, w2, w3 = path_words(path, q >> 1, 0, seed)
        first = (q & 1) == 0
        u, v = uint32(w0 if first else w2), uint32(w1 if first else w3)
        return radius(u, nu) * turn(v)

    return student_t
