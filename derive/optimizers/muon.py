"""Muon: the orthogonal factor of the momentum as a matrix."""

from adasde.derive.language import (
    Max,
    count,
    eta,
    g,
    hyperparameter,
    m,
    orthogonal,
    sqrt,
    total,
    update_rule,
    weight_decay,
    x,
)


@update_rule(states=(x, m), dialect="torch", cite="jordan2024")
def muon(
    rows=count("rows", 2, meaning="rows of the parameters as a matrix, row by row"),
    momentum=hyperparameter("momentum", 0.95, "[0, 1)"),
    theta=weight_decay(0.1),
):
    """Muon with Nesterov momentum and decoupled decay; five Newton-Schulz iterations in double precision."""
    m_next = momentum * m + (1 - momentum) * g
    direction = orthogonal((1 - momentum) * g + momentum * m_next, rows)
    return {x: (1 - eta * theta) * x - eta * sqrt(Max(1, rows**2 / total(1))) * direction, m: m_next}
