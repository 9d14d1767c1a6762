"""Random stories: what users, colleagues, clusters and networks do, one event after the other.

A story is a list of events, each with a number of its own that its details are drawn from: leave one out, and the others stay
as they were. That is what makes a failing story short.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from maraudersmap_operator.cluster import ClusterError
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    MARAUDERSMAP,
    MONITORING,
    NETWORK_POLICY,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from maraudersmap_operator.resource.names import MANAGER
from maraudersmap_operator.watch.kinds import LOOK_SECONDS

from . import schema
from .faults import Call, Effect
from .harness import API, NAME, NAMESPACE, Killed, Loop
from .invariants import Broken, Invariants
from .patches import copied
from .problems import Problem
from .storage import Storage, Stored

Manifest = dict[str, Any]
Event = tuple[str, int]
BAD = ("crash", "oom", "never-ready", "ready-then-dies:5", "no-such-image", "migrate-fails", "migrate-away")
CHILDREN = (
    DEPLOYMENT, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET, CONTROLLER_REVISION, JOB, AUTOSCALER, DISRUPTION_BUDGET,
    NETWORK_POLICY, INGRESS, CONFIG_MAP, POD, REPLICA_SET, ENDPOINT_SLICE, HTTP_ROUTE,
)  # fmt: skip
# What a refusal may hit without an excuse: protecting users needs none of these.
SURROUNDINGS = (
    SERVICE_ACCOUNT,
    NETWORK_POLICY,
    INGRESS,
    AUTOSCALER,
    DISRUPTION_BUDGET,
    CONFIG_MAP,
    JOB,
    STATEFUL_SET,
)
# Long enough for a rollout or two and their bakes.
CALM_SECONDS = 600
QUIET_SECONDS = 60
# What users may have to wait after somebody's hand was on a child: one look, one write, endpoints.
REPAIR = 8
# Protection needs these; a fault on anything else excuses nothing but the time that an answer takes.
NEEDED = (None, SERVICE, DEPLOYMENT, POD, MARAUDERSMAP)
GATEWAY = {"parentRefs": [{"name": "gate"}]}
HOLD = "hogwarts.example/hold"
# So many ticks between two copies of the status that a backup keeps.
BACKUP_TICKS = 20


class Player:
    """Carries events out on a loop of its own."""

    def __init__(self, loop: Loop, invariants: Invariants) -> None:
        self.loop = loop
        self.invariants = invariants
        self._backups: list[Manifest] = []
        self._taken_out: dict[str, Manifest] = {}
        self._unnoticed = 0.0
        self._disowned: list[tuple[Kind, str, str, list[Manifest]]] = []
        loop.every_tick.append(self._back_up)
        self._ticks = 0
        self.events: dict[str, tuple[int, Callable[[random.Random], None]]] = {
            "good": (4, self._good),
            "bad": (5, self._bad),
            "spec": (3, self._spec),
            "verb": (3, self._verb),
            "edit-child": (6, self._edit_child),
            "delete-child": (4, self._delete_child),
            "labels": (3, self._labels),
            "orphan": (1, self._orphan),
            "disown": (1, self._disown),
            "hold": (2, self._hold),
            "scale": (1, self._scale),
            "secret": (1, self._secret),
            "status": (2, self._status),
            "inject": (2, self._inject),
            "monitoring": (1, self._monitoring),
            "refuse": (3, self._refuse),
            "allow": (4, self._allow),
            "fault": (4, self._fault),
            "heal": (5, self._heal),
            "reference": (2, self._reference),
            "kill": (2, self._kill),
            "restart": (1, self._restart),
            "second-leader": (1, self._second_leader),
            "watch": (3, self._watch),
            "pods": (4, self._pods),
            "crd": (1, self._crd),
        }

    # --- users --------------------------------------------------------------------------------------------------------
    def _good(self, dice: random.Random) -> None:
        self.loop.good()

    def _bad(self, dice: random.Random) -> None:
        self.loop.bad(dice.choice(BAD))

    def _spec(self, dice: random.Random) -> None:
        change: Manifest = dice.choice(
            [
                {"ingress": {"host": "map.hogwarts.example"}, "gateway": None},
                {"ingress": None},
                {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 5}},
                {"autoscaling": {"enabled": False}},
                {"replicas": dice.randint(1, 4)},
                {"rollout": {"strategy": dice.choice(["BlueGreen", "Canary", "Rolling"])}},
                {"rollout": {"strategy": "Rolling"}},
                {"rollout": {"strategy": "Canary"}, "gateway": GATEWAY, "ingress": None},
                {"gateway": dice.choice([GATEWAY, None]), "ingress": None},
                {"rollout": {"paused": True}},
                {"rollout": {"paused": False}},
                {"rollout": {"bakeSeconds": dice.choice([5, 30])}},
                {"networkPolicy": {"enabled": dice.random() < 0.5}},
                {"cache": {"disabled": True}},
                {"suspend": True},
                {"suspend": False},
                {"suspend": False},
                {"monitoring": {"enabled": dice.random() < 0.5}},
            ]
        )
        self.loop.edit(**change)

    def _verb(self, dice: random.Random) -> None:
        verb = dice.choice(["retry", "abort", "promote", "restart", "rollback-to"])
        if verb == "rollback-to":
            revisions = sorted(self.loop.revisions()) or ["nothing"]
            self.loop.ask(verb, f"{dice.choice(revisions)}/{dice.randint(1, 10**6)}")
            return
        self.loop.ask(verb, str(dice.randint(1, 10**6)))

    # --- colleagues ---------------------------------------------------------------------------------------------------
    def _child(self, dice: random.Random, kinds: Sequence[Kind] = CHILDREN) -> tuple[Kind, str] | None:
        kind = dice.choice(kinds)
        names = sorted(o["metadata"]["name"] for o in self.loop.all(kind))
        return (kind, dice.choice(names)) if names else None

    def _edit_child(self, dice: random.Random) -> None:
        if (found := self._child(dice, (*CHILDREN, DEPLOYMENT, SERVICE, SERVICE))) is None:
            return
        kind, name = found
        obj = self.loop.get(kind, name)
        if "spec" not in obj or kind in (POD, REPLICA_SET):
            return
        _mutate(obj["spec"], dice)
        self.loop.server.update(kind, obj, manager="kubectl-edit")
        # A selector or a template of someone else's may cost pods; repair is prompt, readiness takes its time.
        self.invariants.disturbed(REPAIR)
        self._hurts(name)

    def _hurts(self, name: str) -> None:
        """What is done to a Deployment or a pod is not its revision's doing."""
        self.invariants.hurt |= {r for r in self.loop.revisions() if r in name}

    def _delete_child(self, dice: random.Random) -> None:
        if (found := self._child(dice)) is None:
            return
        self.loop.server.delete(found[0], NAMESPACE, found[1])
        self.invariants.disturbed(REPAIR)
        self._hurts(found[1])

    def _labels(self, dice: random.Random) -> None:
        if (found := self._child(dice)) is None:
            return
        kind, name = found
        labels = sorted(self.loop.get(kind, name)["metadata"].get("labels") or {})
        if not labels:
            return
        label = dice.choice(labels)
        value = dice.choice([None, "other"])
        self.loop.server.merge(
            kind, NAMESPACE, name, {"metadata": {"labels": {label: value}}}, manager="kubectl-label"
        )
        self.invariants.disturbed(REPAIR)
        self._hurts(name)

    def _orphan(self, dice: random.Random) -> None:
        if (found := self._child(dice, (DEPLOYMENT, REPLICA_SET, SERVICE))) is None:
            return
        self.loop.server.delete(*(found[0], NAMESPACE, found[1]), orphan=True)
        self.invariants.disturbed(REPAIR)
        self._hurts(found[1])

    def _disown(self, dice: random.Random) -> None:
        """Without its owner, or with another one that does not control it.

        With its labels gone too, nothing shows whose it is: someone has to put that back."""
        if (found := self._child(dice, (*CHILDREN, SECRET))) is None:
            return
        kind, name = found
        if kind in (POD, REPLICA_SET, ENDPOINT_SLICE):
            return
        other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owl", "uid": "0-0-owl"}
        owners = dice.choice([[], [other]])
        before = self.loop.get(kind, name)["metadata"]
        self._disowned.append((kind, name, before["uid"], before.get("ownerReferences") or []))
        self._give(kind, name, owners)
        self.invariants.disturbed(REPAIR)
        self._hurts(name)

    def _give(self, kind: Kind, name: str, owners: list[Manifest]) -> None:
        def change(obj: Manifest) -> None:
            obj["metadata"]["ownerReferences"] = owners

        self.loop.server.edit(kind, NAMESPACE, name, change)

    def _give_back(self) -> None:
        for kind, name, uid, owners in self._disowned:
            found = self.loop.server.storage.get(kind, NAMESPACE, name)
            if found is not None and found.uid == uid and not controller_of(found.body):
                self._give(kind, name, owners)
        self._disowned.clear()

    def _hold(self, dice: random.Random) -> None:
        """A finalizer of someone's, and the object's deletion: it stays, on its way out, until someone lets it go."""
        if (found := self._child(dice)) is None:
            return
        kind, name = found

        def change(obj: Manifest) -> None:
            obj["metadata"]["finalizers"] = [HOLD]

        self.loop.server.edit(kind, NAMESPACE, name, change)
        if dice.random() < 0.7:
            self.loop.server.delete(kind, NAMESPACE, name)
        self.invariants.disturbed(REPAIR)
        self._hurts(name)

    def _let_go(self) -> None:
        def change(obj: Manifest) -> None:
            obj["metadata"].pop("finalizers")

        for stored in list(self.loop.server.storage.every()):
            if HOLD in (stored.body["metadata"].get("finalizers") or ()):
                self.loop.server.edit(stored.kind, NAMESPACE, stored.body["metadata"]["name"], change)

    def _scale(self, dice: random.Random) -> None:
        if (found := self._child(dice, (DEPLOYMENT,))) is None:
            return
        self.loop.server.scale(DEPLOYMENT, NAMESPACE, found[1], dice.randrange(5), manager="kubectl")
        self.invariants.disturbed(REPAIR)
        self._hurts(found[1])

    def _secret(self, dice: random.Random) -> None:
        """One of ours: changed, or deleted. What is in it is no revision's doing."""
        if (found := self._child(dice, (SECRET,))) is None:
            return
        if dice.random() < 0.5:
            self.loop.server.delete(SECRET, NAMESPACE, found[1])
        else:
            # One whose last value someone has taken out has no data at all.
            self._taken_out.setdefault(found[1], self.loop.get(SECRET, found[1]).get("data") or {})
            self.loop.server.edit(
                SECRET, NAMESPACE, found[1], lambda obj: _mutate(obj.get("data") or {}, dice)
            )
        self.invariants.disturbed(REPAIR)
        self.invariants.hurt |= self.loop.revisions()

    def _put_back(self) -> None:
        """What was in them. No one else can: a database keeps the password that it was made with."""
        for name, data in self._taken_out.items():
            if self.loop.server.storage.get(SECRET, NAMESPACE, name) is not None:
                self.loop.server.merge(SECRET, NAMESPACE, name, {"data": data}, manager="kubectl")
        self._taken_out.clear()

    def _back_up(self) -> None:
        self._ticks += 1
        if self._ticks % BACKUP_TICKS == 0 and self.loop.has_resource:
            self._backups.append(copied(self.loop.status))

    def _status(self, dice: random.Random) -> None:
        """Emptied, restored as it was some time ago, or edited by hand."""
        which = dice.randrange(3)
        status = {} if which == 0 else copied(self.loop.status)
        if which == 1 and self._backups:
            status = copied(dice.choice(self._backups))
        elif which == 2:
            _mutate(status, dice)
        # What is written there is no evidence of the operator's.
        self.invariants.hurt |= self.loop.revisions()
        with self.invariants.foreign_status():
            self.loop.server.write_status(MARAUDERSMAP, NAMESPACE, NAME, status, manager="kubectl-edit")
        self.invariants.disturbed(20)

    # --- clusters and networks ----------------------------------------------------------------------------------------
    def _refuse(self, dice: random.Random) -> None:
        admission = self.loop.server.admission
        which = dice.randrange(3)
        if which == 0:
            kind = dice.choice(SURROUNDINGS)
            admission.forbid(
                lambda r: r.kind is kind and r.manager == MANAGER and not r.subresource,
                "no such thing today",
            )
        elif which == 1:
            admission.quota(NAMESPACE, pods=str(dice.randint(3, 6)))
            self.invariants.disturbed(0)
        else:
            admission.quota(NAMESPACE, **{"count/ingresses.networking.k8s.io": "0"})

    def _inject(self, dice: random.Random) -> None:
        """A mutating webhook: it adds to what is written, or puts its own in the place of ours."""
        kind = dice.choice([DEPLOYMENT, POD, SERVICE, NETWORK_POLICY, INGRESS, JOB, STATEFUL_SET, AUTOSCALER])
        which = dice.randrange(4)

        def change(obj: Manifest) -> None:
            meta, spec = obj["metadata"], obj["spec"]
            if which == 0:
                meta.setdefault("labels", {})["mesh"] = "on"
            elif which == 1:
                meta.setdefault("annotations", {})["mesh.example/injected"] = "yes"
            elif which == 2 and "template" in spec:
                spec["template"]["metadata"].setdefault("annotations", {})["mesh.example/injected"] = "yes"
            elif which == 3 and "template" in spec:
                spec["template"]["spec"]["priorityClassName"] = "house-elf"

        self.loop.server.admission.mutate(lambda r: r.kind is kind and r.verb != "delete", change)
        self.invariants.disturbed(REPAIR)

    def _monitoring(self, dice: random.Random) -> None:
        """Definitions of another operator's, which come and go."""
        for kind in MONITORING:
            if kind in self.loop.server.served:
                self.loop.server.withdraw(kind)
            else:
                self.loop.server.served.add(kind)
        self._unnoticed = LOOK_SECONDS
        self.invariants.disturbed(0)

    def _allow(self, dice: random.Random) -> None:
        admission = self.loop.server.admission
        admission.quotas.clear()
        admission.rules[:] = [r for r in admission.rules if not r.message and r.change is None]

    def _fault(self, dice: random.Random) -> None:
        effect = dice.choice(list(Effect))
        kind = dice.choice([None, SERVICE, DEPLOYMENT, POD, SECRET, MARAUDERSMAP, NETWORK_POLICY])
        status = dice.choice([403, 404, 409, 422, 429, 500, 503])
        if kind in (None, POD, SERVICE, MARAUDERSMAP, DEPLOYMENT) and status in (403, 404, 422):
            status = 503  # as if rights had been taken away: nothing could be promised
        self.loop.faults.add(
            effect,
            status=status,
            kind=kind,
            probability=dice.choice([0.1, 0.4, 1.0]),
            times=dice.randint(1, 12),
            seconds=dice.choice([1.0, 5.0]),
        )
        slow = effect in (Effect.SLOW, Effect.TIMEOUT, Effect.LOST)
        self.invariants.disturbed(90 if kind in NEEDED else 20 if slow else 0)

    def _heal(self, dice: random.Random) -> None:
        self.loop.faults.active.clear()
        for operator in self.loop.operators:
            for watch in operator.watches.of.values():
                watch.lag, watch.frozen = 0.0, False
        kubelet = self.loop.controllers.kubelet
        kubelet.unready.clear()
        kubelet.broken.clear()
        kubelet.hanging.clear()
        self._let_go()
        self._put_back()
        self._give_back()
        self.invariants.disturbed(20)

    def _reference(self, dice: random.Random) -> None:
        server = self.loop.server
        if server.storage.get(CONFIG_MAP, NAMESPACE, "owl") is not None:
            server.delete(CONFIG_MAP, NAMESPACE, "owl")
        else:
            owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
            server.create(CONFIG_MAP, owl, manager="kubectl")

    def _kill(self, dice: random.Random) -> None:
        self.loop.kill_at(dice.randint(1, 8))
        self.invariants.disturbed(20)

    def _restart(self, dice: random.Random) -> None:
        self.loop.restart()
        self.invariants.disturbed(20)

    def _second_leader(self, dice: random.Random) -> None:
        if len(self.loop.operators) > 1:
            self.loop.operators.pop(0)
        else:
            self.loop.start()
        self.invariants.disturbed(20)

    def _watch(self, dice: random.Random) -> None:
        watches = list(self.loop.operator.watches.of.values())
        watch = dice.choice(watches)
        which = dice.randrange(4)
        if which == 0:
            self.loop.operator.watches.cut()
        elif which == 1:
            watch.cut()
        elif which == 2:
            watch.lag = dice.choice([1.0, 3.0])
            self.invariants.disturbed(60)
        else:
            watch.frozen = True
            self.invariants.disturbed(400)

    def _pods(self, dice: random.Random) -> None:
        pods = sorted(p["metadata"]["name"] for p in self.loop.pods())
        if not pods:
            return
        kubelet, name = self.loop.controllers.kubelet, dice.choice(pods)
        which = dice.randrange(5)
        chosen = pods if dice.random() < 0.3 else [name]
        for pod in chosen:
            self._hurts(pod)
        if which == 0:
            kubelet.unready |= set(chosen)
        elif which == 1:
            kubelet.broken |= set(chosen)
        elif which == 2:
            kubelet.fail_pod(NAMESPACE, name)
        elif which == 3:
            kubelet.hanging.add(name)
        else:
            self.loop.server.delete(POD, NAMESPACE, name)
        self.invariants.disturbed(0)

    def _crd(self, dice: random.Random) -> None:
        newer = schema.declared()
        newer["properties"]["spec"]["properties"]["portkey"] = {"type": "string", "default": "boot"}
        self.loop.server.upgrade(newer)
        self.invariants.disturbed(20)

    # --- the end ------------------------------------------------------------------------------------------------------
    async def calm_down(self) -> None:
        """Everything is put right by those who broke it; the operator has to do the rest."""
        self._allow(_fixed())
        self._heal(_fixed())
        self.loop.faults.clear()
        self.loop.operators[:-1] = []
        if self.loop.server.storage.get(CONFIG_MAP, NAMESPACE, "owl") is None:
            self._reference(_fixed())
        self.loop.edit(rollout={"paused": False}, suspend=False)
        # A verb that comes together with another spec is meant for that; one that was seen before ends with it. An operator
        # that was refused a moment ago sees it only after its pause.
        await self.loop.run(10)
        # Another spec: an end of every pin, and of every verb that has waited for the one before.
        self.loop.good()
        self.invariants.disturbed(60)
        for _ in range(CALM_SECONDS):
            await self.loop.tick()
            if self.loop.phase == "Ready" and not self.loop.candidate:
                break
        else:
            raise Broken(f"the good revision never got through; {self.loop.described()}")
        await self.loop.run(30 + self._unnoticed)
        version = self.loop.version()
        await self.loop.run(QUIET_SECONDS)
        storage = self.loop.server.storage
        changed = [
            f"{s.kind.kind} {s.body['metadata']['name']}"
            for s in storage.every()
            if s.version > version and not _is_lost(storage, s)
        ]
        if changed:
            raise Broken(f"12: writes do not stop: {changed}; {self.loop.described()}")


def _is_lost(storage: Storage, obj: Stored) -> bool:
    """A ReplicaSet that its Deployment has let go of, because someone has relabelled it, or a pod of one, or one that its own
    ReplicaSet has let go of: no one ends it, and what crashes there does so for ever, counted in its status."""
    controller = controller_of(obj.body)
    if controller is None:
        return obj.kind in (REPLICA_SET, POD)
    if obj.kind is not POD:
        return False
    replica_set = storage.get(REPLICA_SET, obj.body["metadata"]["namespace"], controller["name"])
    return replica_set is not None and controller_of(replica_set.body) is None


@dataclass(slots=True)
class Outcome:
    """How a story went."""

    steps: int = 0
    events: Counter[str] | None = None
    faults: int = 0
    broken: str = ""


def invent(seed: int, length: int) -> list[Event]:
    """A story: (event, number), the empty event being time that passes."""
    dice = random.Random(seed)  # noqa: S311 (the same stories each time)
    loop = Loop()
    player = Player(loop, Invariants(loop))
    names = [n for n, (weight, _) in player.events.items() for _ in range(weight)]
    names += [""] * len(names)
    return [(dice.choice(names), dice.randrange(2**31)) for _ in range(length)]


async def play(story: Sequence[Event], *, end: bool = True) -> Outcome:
    """Play a story; what broke, if anything did."""
    outcome = Outcome(events=Counter())
    async with Loop() as loop:
        invariants = Invariants(loop)
        player = Player(loop, invariants)
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
        loop.server.create(CONFIG_MAP, owl, manager="kubectl")
        loop.server.served.add(HTTP_ROUTE)
        loop.controllers.kubelet.minds_tables = True
        loop.every_tick.append(lambda: _count(outcome))
        try:
            await loop.create(
                config={"configMapRefs": [{"name": "owl"}]},
                rollout={"bakeSeconds": 20, "minReadySeconds": 2, "progressDeadlineSeconds": 60},
            )
            for name, number in story:
                if name:
                    dice = random.Random(number)  # noqa: S311
                    assert outcome.events is not None
                    outcome.events[name] += 1
                    try:
                        player.events[name][1](dice)
                    except Problem:
                        outcome.events[f"{name} (refused)"] += 1
                    for _ in range(dice.choice([0, 1, 1, 3])):
                        await loop.survive()
                else:
                    await loop.survive()
            if end:
                await _end(player)
        except (
            Broken,
            AssertionError,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
            ClusterError,
        ) as error:
            outcome.broken = f"{type(error).__name__}: {error}"
        outcome.faults = sum(loop.faults.injected.values())
    return outcome


def play_numbered(number: int, length: int) -> Outcome:
    """The story of that number, in an event loop of its own."""
    return asyncio.run(play(invent(number, length)))


async def _end(player: Player) -> None:
    try:
        await player.calm_down()
    except Killed:
        player.loop.restart()
        await player.calm_down()


def _count(outcome: Outcome) -> None:
    outcome.steps += 1


async def shortened(story: list[Event], tries: int = 60) -> tuple[list[Event], str]:
    """A shorter story that breaks as well, and how."""
    best, broken = story, (await play(story)).broken
    size = max(len(best) // 2, 1)
    while tries > 0:
        start = 0
        while start < len(best) and tries > 0:
            shorter = best[:start] + best[start + size :]
            tries -= 1
            if found := (await play(shorter)).broken:
                best, broken = shorter, found
            else:
                start += size
        if size == 1:
            break
        size = max(size // 2, 1)
    return best, broken


def _fixed() -> random.Random:
    return random.Random(0)  # noqa: S311


def _mutate(value: Any, dice: random.Random) -> None:
    """Change, add or remove one field somewhere below."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = dice.choice(keys)
        below = value[key]
        if isinstance(below, dict | list) and below and dice.random() < 0.85:
            value = below
            continue
        if isinstance(value, dict) and dice.random() < 0.2:
            del value[key]
        elif isinstance(below, bool):
            value[key] = not below
        elif isinstance(below, int):
            value[key] = below + dice.choice([1, 7])
        elif isinstance(below, str):
            value[key] = f"{below}x"
        elif isinstance(below, dict):
            below["extra"] = "key"
        return


__all__ = ["API", "EVENT", "NAME", "NODE", "Call", "invent", "play", "play_numbered", "shortened"]
