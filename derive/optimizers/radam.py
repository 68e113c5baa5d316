"""RAdam: Adam that takes plain momentum steps until its second moment has a variance."""

from sympy import Expr, Symbol

from adasde.derive.language import decay, early, eta, g, k, m, sqrt, stabiliser, update_rule, v, x


def lengths(beta2: Symbol) -> tuple[Expr, Expr]:
    """(1 - beta2) rho_k and (1 - beta2) rho_inf: the lengths of the average in units of its memory."""
    limit = 1 + beta2
    return limit - 2 * (1 - beta2) * k * beta2**k / (1 - beta2**k), limit


def rectification(beta2: Symbol) -> Expr:
    """r_k^2 = (rho_k - 4)(rho_k - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_k)."""
    (now, limit), unit = lengths(beta2), 1 - beta2
    return (now - 4 * unit) * (now - 2 * unit) * limit / ((limit - 4 * unit) * (limit - 2 * unit) * now)


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="torch", cite="liu2020")
def radam(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """RAdam: rectified from rho_k > 5 on; eps is added before the bias of v is corrected."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    m_hat = m_next / (1 - beta1**k)
    rectified = sqrt(rectification(beta2)) * sqrt(1 - beta2**k) / (sqrt(v_next) + eps)
    plain = lengths(beta2)[0] <= 5 * (1 - beta2)
    return {x: x - eta * m_hat * early(plain, 1, rectified), m: m_next, v: v_next}


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="optax", cite="liu2020")
def radam_optax(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """RAdam: rectified from rho_k >= 5 on; eps is added after the bias of v is corrected."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    m_hat = m_next / (1 - beta1**k)
    rectified = sqrt(rectification(beta2)) / (sqrt(v_next / (1 - beta2**k)) + eps)
    plain = lengths(beta2)[0] < 5 * (1 - beta2)
    return {x: x - eta * m_hat * early(plain, 1, rectified), m: m_next, v: v_next}
