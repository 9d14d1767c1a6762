"""What must hold at every moment, whatever happens to the cluster: checked on each write of the operator and after each tick.

The numbers are those of the design: 1 to 8 of the engine, 9 to 14 of the loop around it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    MARAUDERSMAP,
    POD,
    REPLICA_SET,
    SERVICE,
)
from maraudersmap_operator.resource.names import LABEL_REVISION, MANAGER, NO_REVISION, SHARED

from .admission import Request, Rule
from .client import SENT_AT
from .controllers.base import is_ready
from .harness import API, NAMESPACE, Loop
from .patches import text_of
from .server import controller_uid
from .storage import Change

Manifest = dict[str, Any]
# Back within this of need; one tick more than the promise, for a moment is seen only when it is over.
RESTORED = timedelta(seconds=4)
# What a lagging watch may not have delivered yet.
UNSEEN = timedelta(seconds=8)
SEEN = timedelta(seconds=2)
CALM = timedelta(seconds=8)
# A change in the cluster, and the pass that reports it.
SETTLED = timedelta(seconds=2)
MOST_STATUS_BYTES = 100_000
MOST_REJECTED = 10


class Broken(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """Watches one loop. `disturbed` is called for all that excuses slowness; `hurt` are revisions whose pods were made to
    fail although their image is good."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.hurt: set[str] = set()
        self.excused_until = loop.clock.now
        self._calm_since = loop.clock.now
        self._ready_at: dict[str, datetime] = {}
        self._selected = ""
        self._needed_since: datetime | None = None
        self._known: Manifest = {}
        self._foreign = False
        self._disagree_since: dict[str, datetime] = {}
        loop.server.admission.rules.append(Rule(self._see))
        loop.server.storage.listeners.append(self._stored)
        loop.every_tick.append(self._moment)

    def disturbed(self, excuse_seconds: float = 0) -> None:
        """Something has just happened: what takes a while to follow has a while from now."""
        now = self.loop.clock.now
        self._calm_since = now
        self.excused_until = max(self.excused_until, now + timedelta(seconds=excuse_seconds))

    @contextmanager
    def foreign_status(self) -> Iterator[None]:
        """While someone else writes the status: what they take out of it is not forgotten by the operator."""
        self._foreign = True
        try:
            yield
        finally:
            self._foreign = False

    # --- each write of the operator -----------------------------------------------------------------------------------
    def _see(self, request: Request) -> bool:
        if request.manager == MANAGER and not request.dry_run:
            if request.kind is SERVICE and request.name == API and request.verb != "delete":
                self._routes(_revision_of(request.obj))
            elif request.kind is DEPLOYMENT:
                self._deploys(request)
        return False

    def _routes(self, revision: str) -> None:
        """1: traffic points only at revisions that were ready when it was pointed there."""
        before, self._selected = self._selected, revision
        if revision in ("", before, SHARED) or not self.loop.stable:
            return
        elsewhere = any(is_ready(p) and _pod_revision(p) != revision for p in self.loop.pods())
        if not elsewhere:
            return  # no pod answers anywhere: traffic waits where one is to come first
        self._note_ready()  # time passes within a pass too, while an answer is slow
        seen = self._ready_at.get(revision)
        watches = [w for o in self.loop.operators for w in o.watches.of.values()]
        patience = UNSEEN if any(w.lag or w.frozen for w in watches) else SEEN
        if seen is None or self.loop.clock.now - seen > patience:
            raise Broken(f"1: traffic goes to {revision}, which has no ready pod; {self.loop.described()}")

    def _deploys(self, request: Request) -> None:
        revision = (request.obj["metadata"].get("labels") or {}).get(LABEL_REVISION, "")
        if not revision:
            return
        if request.verb == "create":
            self._starts(revision)
        suspended = self.loop.suspended
        gone = request.verb == "delete" or (
            request.subresource == "scale" and request.obj["spec"]["replicas"] == 0
        )
        if gone and not suspended:
            self._takes_away(revision, request)
        if request.subresource == "scale":
            self._scales(revision, suspended)

    def _starts(self, revision: str) -> None:
        """3: a rejected hash is never rolled out again without a new token or another hash. What was sent before is on its
        way, and goes with the next pass."""
        status, resource = self.loop.status, self.loop.resource
        sent = (SENT_AT.get() or self.loop.clock.now).replace(microsecond=0)
        rejected = {
            r["revision"]
            for r in status.get("rejected") or ()
            if datetime.fromisoformat(r["rejectedAt"]) < sent
        }
        tokens = status.get("tokens") or {}
        annotations = resource["metadata"].get("annotations") or {}
        asked = any(
            annotations.get(f"hogwarts.edu/{verb}", "") != tokens.get(key, "")
            for verb, key in (("retry", "retry"), ("rollback-to", "rollbackTo"))
        )
        current = {
            (status.get("candidate") or {}).get("revision"),
            (status.get("stable") or {}).get("revision"),
        }
        if revision in rejected and revision not in current and not asked:
            raise Broken(f"3: {revision} was rejected and is rolled out again; {self.loop.described()}")

    def _takes_away(self, revision: str, request: Request) -> None:
        """2 and 4: traffic leaves a revision before its pods do, and someone else answers."""
        if self.loop.selected == revision and self.loop.stable not in ("", revision):
            raise Broken(f"4: {request.verb} of {revision}, to which traffic points; {self.loop.described()}")
        pods = self._pods_of(request.name)
        answering = self.loop.endpoints()
        if answering and not answering - pods:
            raise Broken(f"2: {request.verb} of {revision} leaves no ready endpoint; {self.loop.described()}")

    def _pods_of(self, deployment: str) -> set[str]:
        """Those that go with it. Pods with its labels stay, where it has let go of their relabelled ReplicaSet."""
        found = self.loop.server.storage.get(DEPLOYMENT, NAMESPACE, deployment)
        uid = found.uid if found else "none"
        sets = {r["metadata"]["uid"] for r in self.loop.all(REPLICA_SET) if controller_uid(r) == uid}
        return {p["metadata"]["name"] for p in self.loop.all(POD) if controller_uid(p) in sets}

    def _scales(self, revision: str, suspended: bool) -> None:
        """7: replicas under an autoscaler are written only to pre-scale, to retire, to suspend or to resume."""
        deployment = self.loop.deployments().get(revision)
        if suspended or deployment is None or self.loop.candidate or deployment["spec"]["replicas"] == 0:
            return
        scalers = [s["spec"]["scaleTargetRef"]["name"] for s in self.loop.all(AUTOSCALER)]
        if deployment["metadata"]["name"] in scalers and self._is_calm():
            raise Broken(
                f"7: {revision} is scaled although it belongs to the autoscaler; {self.loop.described()}"
            )

    # --- each version of the status -----------------------------------------------------------------------------------
    def _stored(self, change: Change) -> None:
        if change.after is None or change.after.kind is not MARAUDERSMAP:
            return
        before, self._known = self._known, change.after.body.get("status") or {}
        if not self._foreign:
            self._remembers(before, self._known)
        size = len(text_of(self._known))
        if size > MOST_STATUS_BYTES:
            raise Broken(f"8: the status has {size} bytes")

    def _remembers(self, before: Manifest, after: Manifest) -> None:
        """9: a status never forgets a verdict or a ledger entry. 13: only own evidence rejects."""
        old = {r["revision"] for r in before.get("rejected") or ()}
        new = {r["revision"]: r for r in after.get("rejected") or ()}
        tokens = [
            {k: (s.get("tokens") or {}).get(k, "") for k in ("retry", "rollbackTo")} for s in (before, after)
        ]
        lost = old - set(new)
        # Each new token of a verb forgives one; a full ledger drops its oldest for each new one.
        forgiven = sum(tokens[0][k] != tokens[1][k] for k in tokens[0])
        dropped = len(set(new) - old) if len(new) == MOST_REJECTED else 0
        if len(lost) > forgiven + dropped:
            raise Broken(f"9: the ledger has lost {sorted(lost)}; {self.loop.described()}")
        was, now = before.get("candidate") or {}, after.get("candidate") or {}
        same = all(now.get(k) == was.get(k) for k in ("revision", "startedAt"))
        verdict = was.get("verdict") or {}
        ended: Manifest = next(iter(after.get("history") or ()), {})
        # What someone else has written of the candidate may outlive its end by one write.
        carried_out = ended.get("revision") == was.get("revision") and ended.get("outcome") in (
            "RolledBack",
            "Withdrawn",
        )
        if verdict and not carried_out and not (same and now.get("verdict")):
            what = "is forgotten" if same else "was never carried out"
            raise Broken(f"9: the verdict {verdict['reason']} {what}; {self.loop.described()}")
        for revision in set(new) - old:
            reason = new[revision]["reason"]
            if reason != "Aborted" and revision not in self.hurt and self._is_good(revision):
                raise Broken(f"13: {revision} is good and was rejected: {new[revision]['message']}")

    def _is_good(self, revision: str) -> bool:
        records = [
            r
            for r in self.loop.all(CONTROLLER_REVISION)
            if (r["metadata"].get("labels") or {}).get(LABEL_REVISION) == revision
        ]
        return bool(records) and all("MISBEHAVE" not in json.dumps(r["data"]) for r in records)

    # --- each moment --------------------------------------------------------------------------------------------------
    def _moment(self) -> None:
        self._note_ready()
        # What was done to pods is no excuse once nothing of the revision is left.
        self.hurt &= {*self.loop.deployments(), (self.loop.candidate or {}).get("revision", "")}
        self._restored()
        now = self.loop.clock.now
        disagreements = dict(self._disagreements()) if self._is_calm() else {}
        self._disagree_since = {what: self._disagree_since.get(what, now) for what in disagreements}
        for what, since in self._disagree_since.items():
            if now - since > SETTLED:
                raise Broken(f"{what}: {disagreements[what]}; {self.loop.described()}")

    def _note_ready(self) -> None:
        for pod in self.loop.all(POD):
            if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]:
                self._ready_at[_pod_revision(pod)] = self.loop.clock.now

    def _is_calm(self) -> bool:
        now = self.loop.clock.now
        return now - self._calm_since > CALM and now > self.excused_until

    def _contested(self) -> bool:
        """Someone keeps putting a child back, and the status says so: repairs become rarer."""
        return self.loop.condition("Contested").get("status") == "True"

    def _restored(self) -> None:
        """11: traffic returns to ready stable pods within 3 s of need, whatever else is refused."""
        loop, now = self.loop, self.loop.clock.now
        stable = loop.stable
        needed = bool(
            stable
            and not loop.endpoints()
            and loop.ready(stable)
            and loop.selected not in (stable, SHARED)
            and not loop.suspended
        )
        if not needed or now <= self.excused_until or self._contested():
            self._needed_since = None
        elif self._needed_since is None:
            self._needed_since = now
        elif now - self._needed_since > RESTORED:
            since = (now - self._needed_since).total_seconds()
            raise Broken(
                f"11: no pod has answered for {since:.0f} s beside ready stable pods; {loop.described()}"
            )

    def _disagreements(self) -> Iterator[tuple[str, str]]:
        """10: status and Service agree. 14: what is Available answers."""
        loop = self.loop
        if loop.status.get("serving", "") != loop.selected and not self._contested():
            yield "10", f"the status says {loop.status.get('serving')!r}, the Service {loop.selected!r}"
        available = loop.condition("Available").get("status") == "True"
        if available != bool(loop.endpoints()) and not loop.suspended:
            yield "14", f"Available is {available} with {len(loop.endpoints())} ready endpoints"


def _revision_of(service: Manifest) -> str:
    revision = str((service["spec"].get("selector") or {}).get(LABEL_REVISION, SHARED))
    return "" if revision == NO_REVISION else revision


def _pod_revision(pod: Manifest) -> str:
    return str((pod["metadata"].get("labels") or {}).get(LABEL_REVISION, ""))


__all__ = ["NAMESPACE", "Broken", "Invariants"]
