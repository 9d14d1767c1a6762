"""What became of the children, as users read it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maraudersmap_operator.reconcile.status.child_conditions import with_children
from maraudersmap_operator.reconcile.status.fates import Fate, State
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.status import ConditionType, Phase

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WELL = MaraudersMapStatus(phase=Phase.READY, message="3 of 3 pods are ready")
DENIED = (
    "POST /apis/networking.k8s.io/v1/namespaces/marauders-production/ingresses/marauders-map-api: "
    'ingresses.networking.k8s.io "marauders-map-api" is forbidden: ValidatingAdmissionPolicy '
    "'ingress-hosts-belong-to-teams.policies.example' with binding 'ingress-hosts-belong-to-teams-production' "
    "denied request: "
)


def test_what_an_admission_says_comes_last_and_is_not_cut_off() -> None:
    reason = "the host marauders-map.hogwarts.edu belongs to the Owl Post; ask its owners"
    refused = Fate("Ingress", "marauders-map-api", State.REFUSED, DENIED + reason)
    status = with_children(WELL, WELL, [refused], [], [], "", NOW)
    for kind in (ConditionType.CHILDREN_APPLIED, ConditionType.STALLED):
        condition = status.condition(kind)
        assert condition is not None
        assert condition.message.endswith(reason)
    assert status.message.endswith(reason)


@pytest.mark.parametrize("state", [state for state in State if state is not State.AS_WANTED])
def test_insight_leaves_phase_and_message(state: State) -> None:
    status = with_children(
        WELL, WELL, [], [Fate("PodMonitor", "marauders-map-api", state, "words")], [], "", NOW
    )
    applied = status.condition(ConditionType.CHILDREN_APPLIED)
    assert applied is not None
    assert (applied.status, applied.message) == ("False", "PodMonitor marauders-map-api: words")
    assert (status.phase, status.message) == (WELL.phase, WELL.message)
    assert not {ConditionType.STALLED, ConditionType.READY} & {c.type for c in status.conditions}
