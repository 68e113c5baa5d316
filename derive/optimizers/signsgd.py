"""Sign descent."""

from sympy import sign

from adasde.derive.notation import eta, g, x
from adasde.derive.rule import update_rule


@update_rule(states=(x,), dialect="paper", cite="bernstein2018")
def signsgd():
    """SignSGD; sign(0) = 0."""
    return {x: x - eta * sign(g)}
