"""Signs of many workers: averaged, or by majority."""

from adasde.derive.language import count, eta, g, hyperparameter, own_noise, sign, update_rule, workers, x


@update_rule(states=(x,), dialect="paper", cite="compagnoni2025distributed")
def signsgd_mean(agents=count("agents", 5)):
    """Distributed SignSGD that averages the signs of n workers."""
    return {x: x - eta * workers(sign(g), agents)}


@update_rule(states=(x,), dialect="paper", cite="bernstein2019")
def signsgd_majority(agents=count("agents", 5, odd=True)):
    """Distributed SignSGD by the majority of n workers, n odd (form recalled)."""
    return {x: x - eta * sign(workers(sign(g), agents))}


@update_rule(states=(x,), dialect="paper", cite="jin2020")
def sto_sign_majority(agents=count("agents", 5, odd=True), bound=hyperparameter("bound", 1.0, "(0, inf)")):
    """The majority of n stochastic signs sign(g + b U), n odd (form recalled)."""
    return {x: x - eta * sign(workers(sign(g + bound * own_noise("uniform")), agents))}
