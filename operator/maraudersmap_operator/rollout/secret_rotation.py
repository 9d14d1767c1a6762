"""Secrets are live: a change of one restarts the pods that read it, in place and one at a time.

Not a new revision: going back to an old password does not help. Several Secrets are often rotated together, so the restart
waits until they have been still for a while.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason

from .context import Context
from .facts import PodFacts

STILL = timedelta(seconds=10)


def unproven(context: Context) -> str:
    """Why no pod of the stable revision shows whether pods start with the Secrets as they are now, as a sentence; empty when
    one does, or pods read none."""
    known = context.status.secrets
    if not context.observed.secrets:
        return ""
    started = [*(p for p in context.stable_facts.active if p.ready), *_proven(context)]
    if known.changed_at is None and any(p.secrets == known.restarted_for for p in started):
        return ""
    return "a Secret has changed, and no pod of the stable revision has become ready with what it is now"


def _proven(context: Context) -> list[PodFacts]:
    """Pods of the candidate that were ready before, where an exchange has left stable none: they have started as well."""
    candidate = context.status.candidate
    proven_at = candidate.memory.progress.proven_at if candidate and candidate.serves_alone else None
    if candidate is None or proven_at is None:
        return []
    return [p for p in context.facts(candidate.revision).active if p.created_at <= proven_at]


def follow_secrets(context: Context) -> None:
    """Note what the Secrets look like, and ask for a restart once a change has come to rest."""
    known = context.status.secrets
    # One that cannot be read is unknown: it is taken to be as it was, and compared with that when it is read again.
    asked = {name: now or known.digests.get(name, "") for name, now in context.observed.secrets.items()}
    seen = {name: digest for name, digest in asked.items() if digest}
    if seen == known.digests and known.changed_at is None:
        return
    # A name that comes or goes is an edit of the spec, which rolls a revision out.
    changed = [n for n, digest in seen.items() if known.digests.get(n, digest) != digest]
    if changed:
        context.update(secrets=known.model_copy(update={"digests": seen, "changed_at": context.now}))
        context.wake(STILL)
    elif seen and seen != known.digests:
        context.update(secrets=known.model_copy(update={"digests": seen}))
    elif known.changed_at is not None and context.now >= known.changed_at + STILL:
        text = " ".join(f"{n}={d}" for n, d in sorted(known.digests.items()))
        restarted_for = hashlib.sha256(text.encode()).hexdigest()[:10]
        context.update(secrets=known.model_copy(update={"changed_at": None, "restarted_for": restarted_for}))
        context.note(
            Reason.SECRETS_CHANGED,
            "The pods are exchanged one at a time: a Secret they read has changed",
        )
    elif known.changed_at is not None:
        context.wake_at(known.changed_at + STILL)
