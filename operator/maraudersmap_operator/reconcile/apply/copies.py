"""Copies of ConfigMaps that pods of a revision in use read and that someone has deleted: reported, for what was in one may be
known to no one any more."""

from __future__ import annotations

from collections.abc import Collection

from maraudersmap_operator import children
from maraudersmap_operator.cluster import ClusterError
from maraudersmap_operator.cluster.kinds import CONFIG_MAP, CONTROLLER_REVISION
from maraudersmap_operator.resource import MaraudersMapStatus

from ..context.subject import Subject
from ..reading.labels import recorded_inputs, revision_of
from ..reading.live_reads import in_time
from ..reading.template_references import copies_read
from ..status.fates import Fate, State


async def report_lost_copies(
    subject: Subject, wanted: Collection[tuple[str, str]], status: MaraudersMapStatus
) -> None:
    """A fate for each. Those that are `wanted` (kind, name) have one of their own: they are made again."""
    store, key = subject.store, subject.key
    for name, revision in sorted(copies_read(store, subject.owner, status).items()):
        if (CONFIG_MAP.kind, name) in wanted or store.find(key, CONFIG_MAP, name) is not None:
            continue
        try:
            # Without our labels no watch shows it, and pods read it all the same.
            live = await in_time(subject.cluster.get(CONFIG_MAP, key.namespace, name))
        except ClusterError:
            if known := subject.fates.of(CONFIG_MAP.kind, name):
                subject.fates.note(known, "", subject.now)
            continue
        if live is None:
            subject.fates.note(_lost(subject, name, revision), "", subject.now)


def _lost(subject: Subject, copy: str, revision: str) -> Fate:
    source = _source(subject, copy)
    what = (
        f"ConfigMap {source!r} the content that it had" if source else "its ConfigMap the content that it had"
    )
    message = (
        f"pods of revision {revision} read it and cannot start without it, and it was deleted: give {what}, which makes it "
        "again, or let the revision that the spec asks for be rolled out"
    )
    return Fate(CONFIG_MAP.kind, copy, State.MISSING, message)


def _source(subject: Subject, copy: str) -> str:
    """Of which ConfigMap of the user's it is a copy, as the records have it; empty when none does."""
    for record in subject.store.children(subject.key, CONTROLLER_REVISION):
        made_from = recorded_inputs(record).get("configMaps")
        if revision_of(record) and isinstance(made_from, dict):
            for name, digest in made_from.items():
                if children.names.config_map_copy(subject.owner.name, digest) == copy:
                    return str(name)
    return ""
