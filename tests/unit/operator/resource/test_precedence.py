"""One phase and one message, in whatever order they are reported."""

from __future__ import annotations

import itertools

import pytest

from maraudersmap_operator.resource.precedence import PRECEDENCE, Claim, Source, prevailing
from maraudersmap_operator.resource.status import Phase

STALLED = Claim(Source.CHILDREN, Phase.STALLED, "Ingress map-api: refused")
DEGRADED = Claim(Source.CHILDREN, Phase.DEGRADED, "Ingress map-api: no answer")
# What the engine reports, and whether a child that needs a person, or one that may heal, is shown instead.
TABLE = {
    Phase.STALLED: (False, False),
    Phase.ROLLED_BACK: (False, False),
    Phase.SUSPENDED: (False, False),
    Phase.PAUSED: (False, False),
    Phase.BAKING: (False, False),
    Phase.ROLLING_OUT: (False, False),
    Phase.DEPLOYING: (True, False),
    Phase.PENDING: (True, False),
    Phase.DEGRADED: (True, False),
    Phase.READY: (True, True),
}


def test_every_phase_of_the_engine_has_its_place() -> None:
    assert set(TABLE) == set(Phase)
    assert {phase for source, phase in PRECEDENCE if source is Source.ENGINE} == set(Phase)
    assert len(set(PRECEDENCE)) == len(PRECEDENCE)


@pytest.mark.parametrize("phase", TABLE)
@pytest.mark.parametrize("child", [STALLED, DEGRADED])
def test_what_is_shown(phase: Phase, child: Claim) -> None:
    engine = Claim(Source.ENGINE, phase, "2 of 2 pods are ready")
    shown = child if TABLE[phase][child is DEGRADED] else engine
    assert prevailing((engine, child)) is prevailing((child, engine)) is shown


def test_the_order_of_reports_does_not_matter() -> None:
    claims = [Claim(source, phase, "") for source, phase in PRECEDENCE]
    for some in itertools.combinations(claims, 3):
        assert {prevailing(order) for order in itertools.permutations(some)} == {some[0]}


def test_what_the_list_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in"):
        prevailing([Claim(Source.CHILDREN, Phase.BAKING, "")])
