"""Signs of many workers: averaged, or by majority."""

from adasde.derive.language import count, eta, g, hyperparameter, own_noise, sign, update_rule, workers, x

DISTRIBUTED = "E. M. Compagnoni et al., Unbiased and sign compression in distributed learning, AISTATS 2025"
MAJORITY = "J. Bernstein et al., signSGD with majority vote is communication efficient and fault tolerant, ICLR 2019"
STOCHASTIC = "R. Jin et al., Stochastic-Sign SGD for federated learning with theoretical guarantees, arXiv 2002.10940"


@update_rule(states=(x,), dialect="paper", cite=DISTRIBUTED)
def signsgd_mean(agents=count("agents", 5)):
    """Distributed SignSGD that averages the signs of n workers."""
    return {x: x - eta * workers(sign(g), agents)}


@update_rule(states=(x,), dialect="paper", cite=MAJORITY)
def signsgd_majority(agents=count("agents", 5, odd=True)):
    """Distributed SignSGD by the majority of n workers, n odd."""
    return {x: x - eta * sign(workers(sign(g), agents))}


@update_rule(states=(x,), dialect="paper", cite=STOCHASTIC)
def sto_sign_majority(agents=count("agents", 5, odd=True), bound=hyperparameter("bound", 1.0, "(0, inf)")):
    """The majority of n stochastic signs sign(g + b U), n odd."""
    return {x: x - eta * sign(workers(sign(g + bound * own_noise("uniform")), agents))}
