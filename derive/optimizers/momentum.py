"""SGD with momentum, in sums (torch) and in averages (papers), and the clock on which sums have an SDE."""

from adasde.derive.language import coupled_decay, decay, eta, first_step, g, hyperparameter, m, update_rule, x
from adasde.derive.language import weight_decay as decoupled_decay


@update_rule(states=(x, m), dialect="torch", cite="polyak1964")
def momentum(
    beta1=decay(1, 0.9, torch="momentum"),
    dampening=hyperparameter("dampening", 0.0, "[0, 1)", "what the buffer leaves out of each gradient"),
    weight_decay=coupled_decay(),
):
    """SGD with momentum: the buffer sums gradients, and its first one is g; its size is 1/(1 - beta1)."""
    gradient = g + weight_decay * x
    m_next = first_step(gradient, beta1 * m + (1 - dampening) * gradient)
    return {x: x - eta * m_next, m: m_next}


@update_rule(states=(x, m), dialect="torch", cite="nesterov1983")
def nesterov(beta1=decay(1, 0.9, torch="momentum"), weight_decay=coupled_decay()):
    """Nesterov momentum: the step looks ahead by beta1 times the new buffer, which sums gradients."""
    gradient = g + weight_decay * x
    m_next = first_step(gradient, beta1 * m + gradient)
    return {x: x - eta * (gradient + beta1 * m_next), m: m_next}


@update_rule(states=(x, m), dialect="pytorch_optimizer", cite="loshchilov2019")
def sgdw(beta1=decay(1, 0.9, torch="momentum"), theta=decoupled_decay()):
    """SGDW: SGD with momentum and decoupled weight decay, applied before the step."""
    m_next = first_step(g, beta1 * m + g)
    return {x: (1 - eta * theta) * x - eta * m_next, m: m_next}


@update_rule(states=(x, m), dialect="paper", cite="polyak1964")
def ema_momentum(beta1=decay(1, 0.9, torch="momentum"), weight_decay=coupled_decay()):
    """SGD with averaged momentum: torch's with dampening = beta1, but for its first step."""
    m_next = beta1 * m + (1 - beta1) * (g + weight_decay * x)
    return {x: x - eta * m_next, m: m_next}


@update_rule(states=(x, m), dialect="paper", cite="nesterov1983")
def ema_nesterov(beta1=decay(1, 0.9, torch="momentum"), weight_decay=coupled_decay()):
    """Nesterov momentum with an averaged buffer: its step mixes the new buffer with the gradient."""
    gradient = g + weight_decay * x
    m_next = beta1 * m + (1 - beta1) * gradient
    return {x: x - eta * (beta1 * m_next + (1 - beta1) * gradient), m: m_next}


@update_rule(states=(x, m), dialect="paper", cite="li2019")
def heavy_ball(beta1=decay(1, 0.9, torch="momentum", large=False)):
    """Heavy ball on its continuous clock: lr is the time step, the root of torch's, whose buffer is m/lr."""
    m_next = beta1 * m + eta * g
    return {x: x - eta * m_next, m: m_next}
