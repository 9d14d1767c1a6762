"""What became of the children, in the status: pure, on top of what the engine has reported.

A child that is not as wanted never hides what a rollout does, and a rollout never hides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.precedence import Claim, Source, prevailing
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import ConditionType, Phase, Stated
from maraudersmap_operator.resource.status_model import MAX_MESSAGE

from .fates import NEEDS_A_PERSON, Fate, State

# So many are named in the message; the rest are counted.
NAMED = 5
# What an admission says comes last, after the request, the object, the policy and its binding: 300 cut it off.
SENTENCE = 500


def with_children(
    status: MaraudersMapStatus,
    before: MaraudersMapStatus,
    service: Sequence[Fate],
    insight: Sequence[Fate],
    ignored: Sequence[str],
    definition: str,
    now: datetime,
) -> MaraudersMapStatus:
    """The status with ChildrenApplied, Contested and Ignored, and with Ready, Stalled and Reconciling as they follow.

    `before`: the stored status, for the times of transitions. `service`, `insight`: children that are not as wanted, by what
    they are for. The service is as well as it was while no one can look at it: insight is reported, and makes nothing Stalled
    or Degraded. `ignored`: fields of the spec that this operator does not know. `definition`: what its custom resource
    definition has no place for, as a sentence; empty when it has one for everything.
    """
    service = _by_urgency(service)
    fates = [*service, *_by_urgency(insight)]
    contested = [f for f in fates if f.state is State.CONTESTED]
    reason = Reason(fates[0].state) if fates else Reason.AS_WANTED
    stated: list[Stated] = [(ConditionType.CHILDREN_APPLIED, not fates, reason, _sentence(fates))]
    if contested or before.condition(ConditionType.CONTESTED):
        reason = Reason.CONTESTED if contested else Reason.UNCONTESTED
        stated.append((ConditionType.CONTESTED, bool(contested), reason, _sentence(contested)))
    if definition:
        stated.append((ConditionType.DEFINITION_OLDER, True, Reason.NO_PLACE_FOR_MEMORY, definition))
    if ignored:
        message = (
            f"{', '.join(ignored)}: defaults of a newer custom resource definition, which this operator does not know and "
            "ignores"
        )
        stated.append((ConditionType.FIELDS_IGNORED, True, Reason.UNKNOWN_FIELDS, message))
    status = with_conditions(status, before, stated, now)
    return _held(status, before, service, now) if service else status


def _held(
    status: MaraudersMapStatus,
    before: MaraudersMapStatus,
    service: Sequence[Fate],
    now: datetime,
) -> MaraudersMapStatus:
    """The status with what those children, the most urgent first, are to it."""
    assert status.phase is not None
    stalled = service[0].state in NEEDS_A_PERSON
    reason, sentence = Reason(service[0].state), _sentence(service)
    engine = Claim(Source.ENGINE, status.phase, status.message)
    claim = Claim(Source.CHILDREN, Phase.STALLED if stalled else Phase.DEGRADED, sentence)
    changes: list[Stated] = []
    # Someone is needed, also while a rollout goes on that the phase speaks of.
    if stalled and status.phase not in (Phase.STALLED, Phase.ROLLED_BACK):
        changes.append((ConditionType.STALLED, True, reason, sentence))
    if prevailing((engine, claim)) is engine:
        return with_conditions(status, before, changes, now)
    if not stalled:
        changes.append((ConditionType.STALLED, False, reason, ""))
    changes.append((ConditionType.READY, False, reason, sentence))
    changes.append((ConditionType.RECONCILING, not stalled, reason, sentence))
    status = with_conditions(status, before, changes, now)
    return status.model_copy(update={"phase": claim.phase, "message": claim.message[:MAX_MESSAGE]})


def _by_urgency(fates: Sequence[Fate]) -> list[Fate]:
    """Those first that only a person can help."""
    return sorted(fates, key=lambda fate: fate.state not in NEEDS_A_PERSON)


def _sentence(fates: Sequence[Fate]) -> str:
    named = "; ".join(f.sentence[:SENTENCE] for f in fates[:NAMED])
    more = len(fates) - NAMED
    return f"{named}; and {more} more" if more > 0 else named


def with_conditions(
    status: MaraudersMapStatus, before: MaraudersMapStatus, stated: Sequence[Stated], now: datetime
) -> MaraudersMapStatus:
    """The status with these conditions in the place of those of the same types. `before`: the stored one, for their times."""
    conditions = (*status.conditions, *before.next_conditions(stated, status.observed_generation, now))
    return status.model_copy(update={"conditions": tuple({c.type: c for c in conditions}.values())})
