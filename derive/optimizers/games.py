"""Two-player games z = (x, y), whose field F = (f_x, -f_y) takes the place of a gradient. SGD on it is SGDA, and
`elsewhere.extragradient` is SEG."""

from adasde.derive.language import adjoint, eta, g, gradient, update_rule, x


@update_rule(states=(x,), dialect="paper", cite="loizou2020")
def shgd():
    """SHGD: a step along grad (F_1.F_2)/2 = (J^T F_1 + J^T F_2)/2, two minibatches with the same Jacobian J."""
    return {x: x - eta * adjoint(g + gradient(x, "fresh")) / 2}
