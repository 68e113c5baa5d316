"""Muon: the orthogonal factor of the momentum as a matrix."""

from adasde.derive.language import (
    Max,
    count,
    eta,
    g,
    hyperparameter,
    k,
    m,
    orthogonal,
    sqrt,
    total,
    update_rule,
    weight_decay,
    x,
)

ROWS = count("rows", 2, meaning="rows of the parameters as a matrix, row by row")
MOMENTUM = hyperparameter("momentum", 0.95, "[0, 1)")


@update_rule(states=(x, m), dialect="torch", cite="jordan2024")
def muon(rows=ROWS, momentum=MOMENTUM, theta=weight_decay(0.1)):
    """Muon with Nesterov momentum and decoupled decay; five Newton-Schulz iterations in double precision."""
    m_next = momentum * m + (1 - momentum) * g
    direction = orthogonal((1 - momentum) * g + momentum * m_next, rows)
    return {x: (1 - eta * theta) * x - eta * sqrt(Max(1, rows**2 / total(1))) * direction, m: m_next}


@update_rule(states=(x, m), dialect="optax", cite="jordan2024")
def muon_optax(rows=ROWS, momentum=MOMENTUM, theta=weight_decay(0.0)):
    """Muon with momentum and gradient corrected for their bias as in NAdam; wide matrices take the longer steps."""
    m_next = momentum * m + (1 - momentum) * g
    ahead = momentum * m_next / (1 - momentum * momentum**k) + (1 - momentum) * g / (1 - momentum**k)
    direction = sqrt(Max(1, total(1) / rows**2)) * orthogonal(ahead, rows)
    return {x: (1 - eta * theta) * x - eta * direction, m: m_next}
