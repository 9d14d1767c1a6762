"""While a pod of the candidate fails: what the spec refers to, read again before anyone is blamed.

No watch shows a Secret. One that has just got a value with which nothing starts fails the candidate first, because its pods
are the ones that begin now.
"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.cluster import ClusterError

from ..context.subject import Subject
from ..reading.endpoints import pods_of
from ..reading.live_reads import in_time
from ..reading.pods import pod_facts
from ..reading.references import References, read_references, without_references

# Half of what passes at least between the first failure and a verdict that rests on failures.
AGAIN = timedelta(seconds=5)
# A pod that is not ready after this long may be failing without ending.
STARTING = timedelta(seconds=5)


async def fresh_references(subject: Subject, known: References) -> References:
    """As they are now where a pod of the candidate fails; else, and where not all could be read, those that are known."""
    remembered, spec, now = subject.remembered, subject.spec, subject.now
    if without_references(spec) or not known.asked or remembered.references_at is None:
        return known
    if now < remembered.references_at + AGAIN or not _fails(subject):
        return known
    try:
        read = await in_time(read_references(subject.cluster, subject.owner, spec))
    except ClusterError:
        return known
    if None in read.versions.values():
        return known
    remembered.keep_references(read, remembered.references_of, now)
    return read


def _fails(subject: Subject) -> bool:
    """A pod of the candidate has ended, or takes long to become ready."""
    candidate = subject.resource.status.candidate
    if candidate is None:
        return False
    pods = [pod_facts(p) for p in pods_of(subject.store, subject.key, candidate.revision)]
    return any(p.termination_count or (not p.ready and subject.now - p.created_at >= STARTING) for p in pods)
