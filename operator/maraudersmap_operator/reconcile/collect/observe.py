"""Collect: everything one pass needs to know, from the store and a few reads, as the facts that `decide` takes.

Only the store decides what is there; a read that fails leaves its fact as it was known, or unknown, and ends no pass.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.cluster import Key, Manifest, Store
from maraudersmap_operator.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    POD,
)
from maraudersmap_operator.cluster.mask import Mask
from maraudersmap_operator.cluster.reported import condition_of, has_condition
from maraudersmap_operator.resource.names import (
    ANNOTATION_MIGRATED,
    Component,
)
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.rollout import (
    Observed,
    RecordedRevision,
    RevisionFacts,
    RouteFacts,
    TargetRevision,
    name_revision,
    revision_inputs,
)

from ..context.subject import Subject
from ..reading.endpoints import (
    pods_of,
    preview_endpoints,
    ready_endpoints,
    selected_by,
    serving_revision,
    strangers_answer,
)
from ..reading.jobs import migration_facts, migration_warning
from ..reading.labels import component_of, recorded_data, recorded_inputs, recorded_template, revision_of
from ..reading.pods import EPOCH, pod_facts, time_of
from ..reading.references import References, generated_values
from ..status.masking import Masks, masked
from .database import data_since, database_need, database_warning


@dataclass(frozen=True, slots=True)
class Observation:
    """`observed` for `decide`; the rest for the executor of its decision."""

    observed: Observed
    inputs: dict[str, Any]
    config_map_copies: dict[str, str]


async def observe(
    subject: Subject,
    references: References,
    route: RouteFacts | None,
    masks: Masks,
    unknown: tuple[Reason, str] | None,
) -> Observation:
    """`masks`: what is kept out of every text of a pod or Job. `unknown`: why it is not known what the spec asks for,
    as reason and sentence; None when it is."""
    cluster, store, key = subject.cluster, subject.store, subject.key
    resource, spec, owner = subject.resource, subject.spec, subject.owner
    digests = {name: children.content_digest(c) for name, c in references.config_maps.items()}
    inputs = revision_inputs(spec, digests)
    # A StatefulSet's own ControllerRevisions carry our labels as well, but no revision of ours.
    recorded = [r for r in store.children(key, CONTROLLER_REVISION) if revision_of(r)]
    # One without them is no proof of a collision.
    made_from = {revision_of(r): made for r in recorded if (made := recorded_inputs(r))}
    target = name_revision(inputs, made_from)
    unasked = not references.asked and unknown is None
    if not references.complete and unknown is None:
        unknown = (references.need.reason, references.need.message)
    candidate = resource.status.candidate
    migrating = target if unknown is None else (candidate.revision if candidate else "")
    if (pin := resource.status.pin) and pin.against == migrating:
        migrating = pin.revision
    known = store.children(key, POD)
    # At the same time: each of these may take as long as a read may.
    pods, lost, refused_job, refused_database = await asyncio.gather(
        masked(known, masks),
        subject.parts.nodes.lost(
            [p for p in known if component_of(p) in (Component.API, Component.MIGRATIONS)]
        ),
        migration_warning(cluster, store, key, migrating, known),
        database_warning(cluster, store, key, resource, owner, known),
    )
    since = data_since(store, key, resource)
    migration = migration_facts(store, key, migrating, pods, lost, refused_job, since)
    database = database_need(store, key, resource, owner, pods, refused_database)
    observed = Observed(
        target=None if unknown else TargetRevision(target, spec.image),
        unknown_reason=unknown[0] if unknown else Reason.TARGET_UNKNOWN,
        unknown=unknown[1] if unknown else "",
        unasked=unasked,
        serving=serving_revision(store, key),
        previewed=selected_by(store, key, children.names.preview_service(key.name)),
        preview_endpoints=preview_endpoints(store, key),
        route=route,
        ready_endpoints=ready_endpoints(store, key, children.names.service(key.name)),
        strangers_answer=strangers_answer(store, key),
        revisions={d.revision: d for d in _revisions(store, key, pods, lost)},
        # Of a broken one nothing can be made again.
        recorded={revision_of(r): _recorded(r, since) for r in recorded if recorded_template(r)},
        migration=migration,
        references=references.need,
        secrets={**references.secrets, **_generated(subject, references)},
        database=database,
        data_since=since,
    )
    copies = {name: children.names.config_map_copy(owner.name, digest) for name, digest in digests.items()}
    return Observation(observed, inputs, copies)


def _generated(subject: Subject, references: References) -> dict[str, str]:
    """Digests of the values that are our own to generate, as the last convergence has read them; empty where none has.

    Beside none of the user's they are left out while they are as they were: wherever there are Secrets, a verdict waits for
    proof that pods of stable start with them, and our own need none."""
    read, known = subject.remembered.generated, subject.resource.status.secrets
    found = {name: read.get(name, "") for name in generated_values(subject.owner, subject.spec)}
    at_rest = known.changed_at is None and all(d in ("", known.digests.get(n)) for n, d in found.items())
    # While the user's are not known at all, the engine would take these for all that there are.
    return found if references.asked and (references.secrets or not at_rest) else {}


def _revisions(store: Store, key: Key, pods: list[Manifest], lost: set[str]) -> list[RevisionFacts]:
    found = []
    for deployment in store.children(key, DEPLOYMENT):
        revision = revision_of(deployment)
        if component_of(deployment) != Component.API or not revision:
            continue
        own = {p["metadata"]["uid"] for p in pods_of(store, key, revision)}
        found.append(
            RevisionFacts(
                revision=revision,
                size=int(deployment["spec"].get("replicas", 1)),
                pods=tuple(pod_facts(p, lost) for p in pods if p["metadata"]["uid"] in own),
                create_error=_create_error(deployment),
                deleting="deletionTimestamp" in deployment["metadata"],
            )
        )
    return found


def _create_error(deployment: Manifest) -> str:
    """Why the ReplicaSet controller cannot create pods: a quota, an admission webhook, a policy."""
    if not has_condition(deployment, "ReplicaFailure"):
        return ""
    return Mask().cluster(str(condition_of(deployment["status"], "ReplicaFailure").get("message", "")))


def _recorded(record: Manifest, since: datetime | None) -> RecordedRevision:
    """`since`: how old the database's data can be at most."""
    migrated_at = _migrated_at(record)
    lost = migrated_at is not None and since is not None and migrated_at < since
    return RecordedRevision(
        revision=revision_of(record),
        number=int(record.get("revision", 0)),
        image=str(recorded_data(record).get("image", "")),
        migrated=migrated_at is not None and not lost,
        lost=lost,
    )


def _migrated_at(record: Manifest) -> datetime | None:
    """When its migrations were done; None when they were not. Someone may have put something else than a time there."""
    noted = (record["metadata"].get("annotations") or {}).get(ANNOTATION_MIGRATED)
    if noted is None:
        return None
    try:
        at = time_of(str(noted))
    except ValueError:
        at = None
    return EPOCH if at is None or at.tzinfo is None else at
