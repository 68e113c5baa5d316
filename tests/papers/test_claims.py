"""Published SDEs differ from the derived ones in exactly the recorded way, and a wrong copy is noticed."""

import dataclasses
import itertools

import pytest
import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, eta, rho1, rho2, s
from adasde.derive.optimizers import registry
from adasde.papers import claims_for, papers
from adasde.papers.claim import PROVENANCE, Claim, all_vanish, compare, difference, gaps

CLAIMS = [(paper, name) for paper, claims in papers().items() for name in claims]
LAWS = [Gaussian(), StudentT()]


@pytest.mark.parametrize("paper, name", CLAIMS)
@pytest.mark.parametrize("law", LAWS, ids=["gaussian", "student-t"])
def test_difference_is_the_recorded_one(paper, name, law):
    """published - derived is symbolically what the claim records, no more and no less."""
    found, as_recorded = compare(papers()[paper][name], registry()[name], law)
    assert as_recorded, found


def test_what_is_recorded():
    """SGD and SignSGD agree; RMSprop and Adam drop Var dv, Cov(dx, dv) and the look-ahead noise."""
    for name in ("sgd", "signsgd"):
        assert difference(papers()["compagnoni2025"][name].equations(Gaussian()), derive(registry()[name]).sde).zero
    rmsprop = difference(papers()["compagnoni2025"]["rmsprop"].equations(Gaussian()), derive(registry()["rmsprop"]).sde)
    assert rmsprop.drift.is_zero_matrix
    assert sp.expand(rmsprop.covariance[1, 1] + 2 * eta * rho2**2 * s**2 * (s**2 + 2 * G**2)) == 0
    adam = difference(papers()["compagnoni2025"]["adam"].equations(Gaussian()), derive(registry()["adam"]).sde)
    assert adam.drift.is_zero_matrix and adam.covariance[0, 0] != 0 and adam.covariance[1, 1] == 0
    malladi = difference(papers()["malladi2022"]["rmsprop"].equations(Gaussian()), derive(registry()["rmsprop"]).sde)
    assert sp.expand(malladi.drift[1] + rho2 * G**2) == 0


def wrong_copies(claim: Claim, law):
    """The claim with one sign flipped, one factor changed or one term dropped, in turn."""
    printed = claim.equations(law)
    for i, entry in enumerate(printed.drift):
        drift = list(printed.drift)
        drift[i] = -entry
        yield dataclasses.replace(printed, drift=sp.ImmutableDenseMatrix(drift))
        drift[i] = entry - rho1 * G / 7
        yield dataclasses.replace(printed, drift=sp.ImmutableDenseMatrix(drift))
    for i, entry in enumerate(printed.diffusion):
        diffusion = list(printed.diffusion)
        diffusion[i] = 2 * entry if entry != 0 else sp.sqrt(eta) * s
        yield dataclasses.replace(printed, diffusion=sp.ImmutableDenseMatrix(diffusion))
    for name, value in printed.named:
        changed = {**dict(printed.named), name: 2 * value}
        yield dataclasses.replace(printed, named=tuple(changed.items()))


@pytest.mark.parametrize("paper, name", CLAIMS)
def test_a_wrong_copy_is_noticed(paper, name):
    """Flipping a sign, changing a factor or dropping a term anywhere in a claim breaks the recorded difference."""
    claim, law = papers()[paper][name], Gaussian()
    derived = derive(registry()[name], law).sde
    copies = list(wrong_copies(claim, law))
    assert len(copies) >= 3
    recorded = sp.Matrix([*itertools.chain(*claim.found(law))])
    for copy in copies:
        assert not all_vanish(sp.Matrix([*itertools.chain(*gaps(copy, derived))]) - recorded)
    assert all_vanish(sp.Matrix([*itertools.chain(*gaps(claim.equations(law), derived))]) - recorded)


def test_every_claim_has_its_provenance():
    """Each statement is tagged; numbers stand only where they were confirmed."""
    for claims in papers().values():
        for claim in claims.values():
            assert claim.provenance in PROVENANCE
            assert not claim.statement or claim.provenance == "confirmed"
    with pytest.raises(ValueError, match="provenance"):
        dataclasses.replace(papers()["malladi2022"]["adam"], provenance="read somewhere")


def test_claims_by_optimizer():
    assert [c.paper for c in claims_for("adam")] == ["compagnoni2025", "malladi2022"]
    assert [c.paper for c in claims_for("sgd")] == ["compagnoni2025"]
    # Of other rules `claims_for` does not even look.
    assert {name for claims in papers().values() for name in claims} <= set(registry()) and not claims_for("mine")
