"""Update rules say what they must, and nothing undeclared."""

import pytest
import sympy as sp

from adasde.derive.citations import CITATIONS
from adasde.derive.notation import beta2, eta, g, k, m, nu, v, x
from adasde.derive.optimizers import registry
from adasde.derive.rule import decay, update_rule


def test_registry_holds_the_six_optimizers():
    """The registry is the folder: every rule file is found, in alphabetical order."""
    assert list(registry()) == ["adam", "adamw", "rmsprop", "rmspropw", "sgd", "signsgd"]


@pytest.mark.parametrize("name", registry())
def test_rule_is_short(name):
    """A rule is at most 15 lines besides its docstring: everything else is derived from it."""
    import inspect

    import adasde.derive.optimizers as folder

    source = inspect.getsource(__import__(f"{folder.__name__}.{name}", fromlist=[name]))
    body = source.split(f"def {name}(")[1].split('"""')[2]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15


def test_every_rule_cites_a_known_reference():
    """The key that a rule cites resolves to a full reference."""
    assert {rule.cite for rule in registry().values()} <= set(CITATIONS)


def test_undeclared_symbols_are_refused():
    """A rule may use its states, g, k and its hyperparameters only; the error names what is foreign."""
    with pytest.raises(ValueError, match="nu, which is no state or hyperparameter"):
        update_rule(states=(x,), dialect="paper", cite="-")(lambda: {x: x - eta * g * nu})
    with pytest.raises(ValueError, match="the states are"):
        update_rule(states=(x, m), dialect="paper", cite="-")(lambda: {x: x - eta * g})


def test_hyperparameters_come_from_the_signature():
    """Names, symbols and rates are those of the function's arguments, the learning rate first."""

    @update_rule(states=(x, v), nonnegative=(v,), dialect="paper", cite="-")
    def toy(beta2=decay(2, 0.99)):
        return {x: x - eta * g / sp.sqrt(v), v: beta2 * v + (1 - beta2) * g**2}

    assert [h.name for h in toy.hyperparameters] == ["lr", "beta2"]
    assert toy.hyperparameters[1].scaled == 1 - eta * toy.hyperparameters[1].rate
    assert toy.update[1].has(beta2) and not toy.update[1].has(k)
