"""L0 alone is the L0 of the whole expansion."""

import pytest

from adasde.derive.generator import Chain, expand, leading, root
from adasde.derive.law import NotDerivable
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, x
from adasde.derive.optimizers import registry
from adasde.derive.scalings import ballistic, batch_equivalent


@pytest.mark.parametrize("name", ["sgd", "signsgd", "rmsprop"])
@pytest.mark.parametrize("scaling", [ballistic, batch_equivalent])
def test_leading_is_that_of_the_expansion(name, scaling):
    chain = scaling(registry()[name])
    assert leading(chain, Gaussian()).terms == expand(chain, Gaussian()).leading.terms


def test_a_mean_of_half_order_is_refused():
    with pytest.raises(NotDerivable, match="mean of one step"):
        leading(Chain("fast", (x,), (root * (1 + Z),)), Gaussian())
