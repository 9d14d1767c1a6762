"""Make one child be as wanted, or leave it alone: the comparison that keeps a quiet pass free of writes.

The comparison is exact although the API server fills in defaults: after each write of our own the sealed part (sealed.py) as
the server returned it is what the live object is compared with. After a restart, or when the wish has changed, one dry run
shows what the server would make of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import (
    ClusterError,
    Conflict,
    Kind,
    Manifest,
    NotFound,
    NotLeading,
    Refused,
    kind_of,
)
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, JOB, MONITORING
from maraudersmap_operator.resource.names import (
    ANNOTATION_DIGEST,
    KIND,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    MANAGER,
)
from maraudersmap_operator.resource.quantity import amount
from maraudersmap_operator.telemetry import logger

from ..context.subject import Subject
from ..status.fates import Fate, State, state_of
from .sealed import culprits, digest_of, sealed_part, stamped, substituted

# Written once, with content that the API server lets no one change: only their labels and owner can drift.
UNCHANGEABLE = (CONTROLLER_REVISION, CONFIG_MAP)
# Kinds that no watch shows.
UNWATCHED = MONITORING
# What keeps an object that was deleted until everything that it owns has ended.
FOREGROUND = "foregroundDeletion"


class ChildWriter:
    """Writes the children of one resource in one pass.

    `may_reroll`: False for a Deployment whose template must not be repaired now, because that would exchange its pods.
    """

    def __init__(self, subject: Subject, may_reroll: Callable[[str], bool]) -> None:
        self._subject = subject
        self._cluster, self._store, self._fates = subject.cluster, subject.store, subject.fates
        self._known = subject.remembered.known
        self._owner, self._now = subject.owner, subject.now
        self._may_reroll = may_reroll
        self.wanted: set[tuple[str, str]] = set()  # (kind, name) of everything asked for in this pass
        self.unverified = 0  # so many children have been looked at only roughly: look again

    async def ensure(self, manifest: Manifest, at_creation: Manifest | None = None) -> bool:
        """True when the child is as wanted afterwards; else its fate states why. Raises NotLeading, nothing else of the
        cluster's.

        `at_creation`: fields of `spec` that only a new object gets; of an existing one they are somebody else's to write.
        """
        self._subject.go_on()
        kind, name, digest = kind_of(manifest), manifest["metadata"]["name"], digest_of(manifest)
        self.wanted.add((kind.kind, name))
        if self._fates.waits(kind.kind, name, digest, self._now):
            return False
        if kind in UNWATCHED and self._known.seen_lately(kind.kind, name, digest, self._now):
            self._fates.note(Fate(kind.kind, name, State.AS_WANTED), digest, self._now)
            return True
        try:
            fate = await self._ensure(kind, manifest, digest, at_creation or {})
        except NotLeading:
            raise
        except ClusterError as error:
            self._known.forget(kind.kind, name)
            if kind in UNWATCHED and isinstance(error, NotFound):
                # The kind has gone: no fate of an object.
                self._fates.forget(kind.kind, name)
                return False
            fate = Fate(kind.kind, name, state_of(error), error.message)
            if not self._fates.excused(error):
                logger().info("child not written", child=f"{kind.kind} {name}", error=error.message)
        self._fates.note(fate, digest, self._now)
        if kind in UNWATCHED and fate.state is State.AS_WANTED:
            self._known.seen[kind.kind, name] = digest, self._now
            self._known.absent.discard((kind.kind, name))
        return fate.state is State.AS_WANTED

    async def _ensure(self, kind: Kind, manifest: Manifest, digest: str, at_creation: Manifest) -> Fate:
        name = manifest["metadata"]["name"]
        if kind in UNWATCHED:
            live = await self._cluster.get(kind, self._owner.namespace, name)
        else:
            live = self._store.find(self._subject.key, kind, name)
        if live is None:
            try:
                return await self._create(kind, manifest, digest, at_creation)
            except (Conflict, Refused):
                # It is there already: not ours by its labels, or too new for the watch. Most are new, so nothing is asked
                # beforehand. A quota refuses before the name is looked up; someone else's record refuses to be applied.
                live = await self._cluster.get(kind, self._owner.namespace, name)
                if live is None:
                    raise
        if obstacle := obstacle_to(live, self._owner, kept="ownerReferences" not in manifest["metadata"]):
            if kind is DEPLOYMENT and obstacle[0] is State.LEAVING:
                await self._let_go(name)
            return Fate(kind.kind, name, *obstacle)
        if kind is JOB:
            # It runs once, and nothing in it can be put right.
            return Fate(kind.kind, name, State.AS_WANTED)
        uid = live["metadata"]["uid"]
        if self._known.sealed.get(uid) == (digest, digest_of(sealed_part(kind, live, manifest))):
            return Fate(kind.kind, name, State.AS_WANTED)
        asked = (live["metadata"].get("annotations") or {}).get(ANNOTATION_DIGEST)
        if uid not in self._known.sealed and asked == digest and _looks_right(kind, live, manifest):
            if kind in UNCHANGEABLE:
                return Fate(kind.kind, name, State.AS_WANTED)
            if not self._known.take_dry_run(self._subject.parts.budget, self._now):
                self.unverified += 1
                return Fate(kind.kind, name, State.AS_WANTED)
        return await self._replace(kind, manifest, digest)

    async def _let_go(self, name: str) -> None:
        """A Deployment that is wanted and was deleted with --cascade=foreground stays until its last pod has ended, and its
        name with it. Without that finalizer it goes now, as by any other deletion, and its successor comes at once."""
        live = await self._cluster.get(DEPLOYMENT, self._owner.namespace, name)
        if live is None or live["metadata"].get("finalizers") != [FOREGROUND]:
            return
        controller = controller_of(live)
        if "deletionTimestamp" in live["metadata"] and controller and controller["uid"] == self._owner.uid:
            del live["metadata"]["finalizers"]
            await self._cluster.replace(live)
            logger().info("let go: it was deleted with --cascade=foreground", child=f"Deployment {name}")

    async def _create(self, kind: Kind, manifest: Manifest, digest: str, at_creation: Manifest) -> Fate:
        body = stamped(manifest)
        if at_creation:
            body = {**body, "spec": {**body["spec"], **at_creation}}
        write = self._cluster.apply if kind is CONTROLLER_REVISION else self._cluster.create
        self._remember(kind, await write(body), manifest, digest)
        return Fate(kind.kind, manifest["metadata"]["name"], State.AS_WANTED)

    async def _replace(self, kind: Kind, manifest: Manifest, digest: str) -> Fate:
        """Read it, and write it when the server would make something else of our wish than what is there."""
        name = manifest["metadata"]["name"]
        for last in (False, True):
            live = await self._cluster.get(kind, self._owner.namespace, name)
            if live is None:
                raise Conflict(f"{kind.kind} {name} was deleted meanwhile", 409)
            self._confirm(kind, live)
            if obstacle := obstacle_to(live, self._owner, kept="ownerReferences" not in manifest["metadata"]):
                return Fate(kind.kind, name, *obstacle)
            if kind is CONTROLLER_REVISION:
                return await self._adopt_record(live, manifest, digest)
            try:
                return await self._write(kind, live, manifest, digest)
            except Conflict:
                self._subject.go_on()
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _adopt_record(self, live: Manifest, manifest: Manifest, digest: str) -> Fate:
        """Put the metadata of a ControllerRevision right; a PUT would be refused for the bytes of its data."""
        kind, name, namespace = CONTROLLER_REVISION, manifest["metadata"]["name"], self._owner.namespace
        drifted = self._is_same_wish(live, digest)
        if drifted and not self._fates.may_repair(kind.kind, name, self._now):
            return self._settled(kind, live, contest=True)
        meta = substituted(kind, live, manifest)["metadata"]
        # With its version, so that owners of others' that come meanwhile are not lost.
        fields = ("labels", "annotations", "ownerReferences", "resourceVersion")
        patch = {"metadata": {k: meta[k] for k in fields if k in meta}}
        written = await self._cluster.merge(kind, namespace, name, patch)
        if drifted:
            self._note_repair(kind, live)
        self._remember(kind, written, manifest, digest)
        return self._settled(kind, live)

    async def _write(self, kind: Kind, live: Manifest, manifest: Manifest, digest: str) -> Fate:
        name = manifest["metadata"]["name"]
        body = substituted(kind, live, manifest)
        same_wish = self._is_same_wish(live, digest)
        probe = await self._cluster.replace(body, dry_run=True)
        before, after = sealed_part(kind, live, manifest), sealed_part(kind, probe, manifest)
        if same_wish and before == after:
            self._remember(kind, live, manifest, digest)
            return self._settled(kind, live)
        drifted = same_wish and before != after
        if (
            drifted
            and kind is DEPLOYMENT
            and _template(before) != _template(after)
            and not self._may_reroll(name)
        ):
            return Fate(
                kind.kind,
                name,
                State.WAITING,
                "its pod template was changed; it is put right after the rollout",
            )
        if drifted and not self._fates.may_repair(kind.kind, name, self._now):
            return self._settled(kind, live, contest=True)
        written = await self._cluster.replace(body)
        if drifted:
            self._note_repair(kind, live)
        self._remember(kind, written, manifest, digest)
        return self._settled(kind, live)

    def _is_same_wish(self, live: Manifest, digest: str) -> bool:
        """It was written for this wish: what differs, someone has changed. Who has may have taken our note away as well."""
        meta = live["metadata"]
        noted = (meta.get("annotations") or {}).get(ANNOTATION_DIGEST)
        return digest in (noted, self._known.sealed.get(meta["uid"], ("",))[0])

    def _note_repair(self, kind: Kind, live: Manifest) -> None:
        name = live["metadata"]["name"]
        self._fates.repaired(kind.kind, name, self._now)
        self._subject.parts.metrics.drift_corrected(kind.kind)
        logger().info("put right", child=f"{kind.kind} {name}", changed_by=culprits(live)[:1])

    def _settled(self, kind: Kind, live: Manifest, contest: bool = False) -> Fate:
        name = live["metadata"]["name"]
        if not contest:
            return Fate(kind.kind, name, State.AS_WANTED)
        found = culprits(live)
        who = f"the field manager {found[0]!r}" if found else "someone"
        return Fate(
            kind.kind, name, State.CONTESTED,
            f"{who} keeps changing fields that belong to this operator; they are put right less and less often: "
            "stop the other writer, or set the field in the spec of this resource",
        )  # fmt: skip

    def _remember(self, kind: Kind, obj: Manifest, manifest: Manifest, digest: str) -> None:
        self._confirm(kind, obj)
        self._known.sealed[obj["metadata"]["uid"]] = (digest, digest_of(sealed_part(kind, obj, manifest)))

    def _confirm(self, kind: Kind, obj: Manifest) -> None:
        """Into the store, but for what nothing would take out again."""
        if kind not in UNWATCHED:
            self._store.confirm(kind, obj)


def obstacle_to(live: Manifest, owner: Owner, kept: bool) -> tuple[State, str] | None:
    """Why the object is not ours to write now; None when it is. `kept`: one that outlives its resource and so has no
    controller."""
    meta = live["metadata"]
    controller = controller_of(live)
    what = f"{live['kind']} {meta['name']!r}"
    leaving = "deletionTimestamp" in meta
    if controller is None:
        labels = meta.get("labels") or {}
        # One that outlives its resource, or an orphan (`kubectl delete --cascade=orphan`): both are still ours.
        if kept or (labels.get(LABEL_MANAGED_BY), labels.get(LABEL_INSTANCE)) == (MANAGER, owner.name):
            return (State.LEAVING, f"{what} is being deleted") if leaving else None
        return (
            State.OWNED_BY_ANOTHER,
            f"{what} exists already and is not this resource's: rename or delete one of the two",
        )
    if controller["uid"] == owner.uid:
        return (State.LEAVING, f"{what} is being deleted") if leaving else None
    if controller["kind"] == KIND and controller["name"] == owner.name:
        return State.LEAVING, f"{what} belongs to an earlier resource of this name and is being deleted"
    return (
        State.OWNED_BY_ANOTHER,
        f"{what} is controlled by {controller['kind']} {controller['name']!r}: rename one of the two",
    )


def owned_by_another(live: Manifest, owner: Owner) -> str:
    """Whose an object of our name is, and what to do, in a sentence; empty when it is ours."""
    state, sentence = obstacle_to(live, owner, kept=False) or (State.AS_WANTED, "")
    return sentence if state is State.OWNED_BY_ANOTHER else ""


def _looks_right(kind: Kind, live: Manifest, wanted: Manifest) -> bool:
    """Without asking the server: everything wanted is there, our notes included; whether more is, this does not show."""
    wanted = stamped(wanted)
    if kind in UNCHANGEABLE:
        wanted = {"metadata": wanted["metadata"]}
    return covers(live, wanted)


def covers(live: Any, wanted: Any) -> bool:
    """True when every field wanted has that value in the live object, whatever else is there."""
    if live is None and wanted in ("", 0, False, [], {}):
        # The API server drops empty values.
        return True
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(covers(live.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(covers(a, b) for a, b in zip(live, wanted, strict=True))
        )
    return bool(live == wanted) or _same_quantity(live, wanted)


def _same_quantity(live: Any, wanted: Any) -> bool:
    """The API server rewrites quantities to its own form: 1024Mi becomes 1Gi."""
    if not isinstance(live, str) or not isinstance(wanted, str):
        return False
    try:
        return amount(live) == amount(wanted)
    except ValueError:
        return False


def _template(part: dict[str, Any]) -> Any:
    return part["spec"].get("template")
