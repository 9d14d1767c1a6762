"""The whole loop on the fake: watches -> store -> queue -> Reconciler -> API server, and controllers that answer, in
simulated time.

    async with Loop() as loop:
        await loop.create(replicas=3)
        await loop.until(lambda: loop.phase == "Ready")
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import structlog

from maraudersmap_operator.children import Images
from maraudersmap_operator.cluster import ClusterError, Key, Manifest, Store
from maraudersmap_operator.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    JOB,
    MARAUDERSMAP,
    POD,
    SERVICE,
    Kind,
)
from maraudersmap_operator.reconcile import Reconciler, Settings, WorkQueue
from maraudersmap_operator.resource.names import LABEL_REVISION, NO_REVISION, SHARED
from maraudersmap_operator.telemetry import Health, Metrics
from maraudersmap_operator.watch.audit import audit_once
from maraudersmap_operator.watch.handlers import SELECTOR, take
from maraudersmap_operator.watch.kinds import LOOK_SECONDS, look_once

from .authorization import Rights
from .client import FakeCluster
from .clock import Clock, stamp
from .controllers import Controllers
from .controllers.base import is_ready
from .faults import Call, Faults
from .patches import copied, merged
from .problems import not_found
from .quick import hurry
from .server import ApiServer
from .simulated import SimulatedTime
from .watches import Watches

T = TypeVar("T")

NAMESPACE = "default"
NAME = "map"
IMAGE = "registry.example/map:1"
KEY = Key(NAMESPACE, NAME)
API = f"{NAME}-api"
AUDIT = timedelta(seconds=300)
BACK_OFF_FIRST, BACK_OFF_MOST = 0.5, 60.0
# More passes than this at one moment are a loop that writes for ever.
MOST_PASSES = 25

BASE: Manifest = {
    "image": IMAGE,
    "replicas": 3,
    "autoscaling": {"enabled": False},
    "database": {"evaluation": {}},
    "cache": {"disabled": True},
    "probes": {"readiness": {"initialDelaySeconds": 0, "periodSeconds": 1}},
    "rollout": {"bakeSeconds": 60, "minReadySeconds": 5, "analysis": {"enabled": False}},
}


class Killed(BaseException):
    """The operator's process ended in the middle of a pass."""


class WriteLoop(AssertionError):
    """Passes follow each other without end."""


class SimQueue(WorkQueue):
    """The work queue's promises in simulated time: a key once, back-off after failures, wake-ups; and convergence behind it,
    which runs while passes do."""

    def __init__(
        self,
        reconcile: Callable[[Key], Awaitable[timedelta | None]],
        converge: Callable[[Key], Awaitable[timedelta | None]],
        clock: Clock,
        idle: Callable[[], Awaitable[None]],
    ) -> None:
        self.due: dict[Key, datetime] = {}
        self.errors: list[BaseException] = []
        self.converging: dict[Key, asyncio.Task[None]] = {}
        self._pass_of = reconcile
        self._convergence_of = converge
        self._idle = idle
        self._now = clock
        self._failed: dict[Key, int] = {}
        self._held: dict[Key, datetime] = {}
        self._once_more: set[Key] = set()

    def add(self, key: Key, *, news: bool = True) -> None:
        self.due[key] = max(self._now(), self._held.get(key, self._now()))

    async def work(self) -> int:
        """Run what is due; how many passes it took."""
        done = 0
        while ready := [k for k, at in self.due.items() if at <= self._now()]:
            for key in ready:
                del self.due[key]
                await self._one(key)
                done += 1
            if done > MOST_PASSES:
                raise WriteLoop(f"{done} passes at one moment")
        await self._settle()
        return done

    def is_due(self) -> bool:
        return any(at <= self._now() for at in self.due.values())

    async def _settle(self) -> None:
        """Until convergence is done, or waits for an answer."""
        if self.converging:
            await self._idle()
        for key, task in list(self.converging.items()):
            if task.done():
                del self.converging[key]
                task.result()

    def stop(self) -> None:
        """The process ends."""
        for task in self.converging.values():
            task.cancel()

    async def _converge(self, key: Key) -> None:
        while True:
            self._once_more.discard(key)
            try:
                delay = await self._convergence_of(key)
            except ClusterError as error:
                self.errors.append(error)
                delay = timedelta(seconds=BACK_OFF_FIRST)
            if delay is not None:
                self._plan(key, delay)
            if key not in self._once_more:
                return

    def _plan(self, key: Key, delay: timedelta) -> None:
        planned = max(self._now() + delay, self._held.get(key, self._now()))
        self.due[key] = min(self.due.get(key, planned), planned)

    async def _one(self, key: Key) -> None:
        try:
            delay = await self._pass_of(key)
        except ClusterError as error:
            self.errors.append(error)
            failures = self._failed[key] = self._failed.get(key, 0) + 1
            pause = min(BACK_OFF_FIRST * 2 ** min(failures - 1, 10), BACK_OFF_MOST)
            # News cuts the pause short, but for its first part.
            self._held[key] = self._now() + timedelta(seconds=BACK_OFF_FIRST)
            self.due[key] = self._now() + timedelta(seconds=pause)
            return
        self._failed.pop(key, None)
        self._held.pop(key, None)
        if delay is not None:
            self._plan(key, max(delay, timedelta(milliseconds=100)))
        if key in self.converging and not self.converging[key].done():
            self._once_more.add(key)
        else:
            self.converging[key] = asyncio.ensure_future(self._converge(key))


class Operator:
    """One process of the operator: what it knows is lost with it."""

    def __init__(self, loop: Loop, settings: Settings, led_before: datetime | None = None) -> None:
        self.leads = True
        self.cluster = FakeCluster(
            loop.server,
            loop.faults,
            may_write=lambda: self.leads,
            sleep=asyncio.sleep,
            rights=loop.rights,
        )
        self.cluster.logs_of = loop.logs_of
        self.store = Store()
        self.metrics = Metrics()
        self.reconciler = Reconciler(
            self.cluster, self.store, settings, self.metrics, loop.operators_clock, led_before
        )
        self.queue = SimQueue(self.reconciler.reconcile, self.reconciler.converge, loop.clock, loop.time.idle)
        self._namespaces = settings.namespaces
        namespace = self._namespaces[0] if self._namespaces else None
        self.watches = Watches(loop.server, SELECTOR, namespace=namespace, rights=loop.rights)
        self.audit_due = self.kinds_due = loop.clock()
        self._clock = loop.clock

    async def work(self) -> int:
        """Take what the watches deliver, and run every pass that is due."""
        done = 0
        if self._clock() >= self.audit_due:
            try:
                await audit_once(self.cluster, self.store, self.queue, self._namespaces)
                self.audit_due = self._clock() + AUDIT
            except ClusterError:
                self.audit_due = self._clock() + timedelta(seconds=5)
        if self._clock() >= self.kinds_due:
            self.kinds_due = self._clock() + timedelta(seconds=LOOK_SECONDS)
            await look_once(self.reconciler.served, self.store, self.queue)
        while True:
            self.listen()
            passes = await self.queue.work()
            done += passes
            if not passes and not self.queue.is_due():
                return done
            if done > MOST_PASSES:
                raise WriteLoop(f"{done} passes at one moment")

    def listen(self) -> None:
        for event in self.watches.events():
            take(self.store, self.queue, event.kind, str(event.type), event.object)


class Loop:
    """A cluster, one resource in it, and the operator (or two) that looks after it."""

    def __init__(
        self,
        seed: int = 0,
        *,
        declared: Manifest | None = None,
        postgres: str = "postgres:16",
        rights: Rights | None = None,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        """`rights`: what the operator may do; None: everything. `namespaces`: those that it watches, one at the most; empty:
        all of them."""
        self.clock = Clock()
        self.server = ApiServer(self.clock, declared)
        self.controllers = Controllers(self.server)
        self.time = SimulatedTime(self.clock, self._pass_time)
        self.faults = Faults(seed)
        self.rights = rights
        self.settings = Settings(images=Images(postgres=postgres, redis="redis:7"), namespaces=namespaces)
        self.skew = timedelta(0)
        """How far the clock of the operator's node is ahead of the others."""
        self.last_log_line = "the map is torn"
        self.operators: list[Operator] = []
        self.every_tick: list[Callable[[], None]] = []
        """Called after each moment: what must hold at any time."""
        self._settled: tuple[datetime, int] | None = None
        self._tokens = count(1)

    async def __aenter__(self) -> Loop:
        quiet()
        hurry()
        self._before = asyncio.all_tasks()
        self.time.install()
        self.controllers.settle()
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for operator in self.operators:
            operator.queue.stop()
        self.time.remove()
        # Whatever still waits for time that will not come, a status that is being stored included.
        others = asyncio.all_tasks() - self._before - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _pass_time(self, seconds: float) -> None:
        while seconds > 0:
            step = min(seconds, 1.0)
            self.clock.advance(step)
            self._settle()
            seconds -= step

    def _settle(self) -> None:
        """The controllers' turn, unless they had it at this moment and nothing was written since."""
        now = self.clock.now, self.server.storage.version
        if self._settled != now:
            self.controllers.settle()
            self._settled = self.clock.now, self.server.storage.version

    # --- the operator -------------------------------------------------------------------------------------------------
    def operators_clock(self) -> datetime:
        return self.clock() + self.skew

    @property
    def operator(self) -> Operator:
        """The one that leads."""
        return self.operators[-1]

    def start(self) -> Operator:
        """A process more, which leads from now on as far as it knows."""
        before = self.clock() if self.operators else None
        self.operators.append(Operator(self, self.settings, before))
        return self.operator

    def use_images(self, *, postgres: str) -> None:
        """For the next process."""
        self.settings = replace(self.settings, images=Images(postgres=postgres, redis="redis:7"))

    def restart(self) -> None:
        """Everything in memory is forgotten."""
        for operator in self.operators:
            operator.queue.stop()
        self.operators.clear()
        self.operators.append(Operator(self, self.settings, self.clock()))

    # --- what a user does ---------------------------------------------------------------------------------------------
    async def create(self, **spec: Any) -> None:
        """The resource, and time until it is Ready."""
        self.apply(**spec)
        await self.until(lambda: self.phase == "Ready", 120)

    def apply(self, **spec: Any) -> None:
        wanted = {
            "apiVersion": MARAUDERSMAP.api_version,
            "kind": MARAUDERSMAP.kind,
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": merged(BASE, spec),
        }
        self.server.create(MARAUDERSMAP, wanted, manager="kubectl-client-side-apply")

    def edit(self, **change: Any) -> None:
        """Merge it into the spec."""
        self.server.merge(MARAUDERSMAP, NAMESPACE, NAME, {"spec": change}, manager="kubectl-patch")

    def set_env(self, **variables: str) -> None:
        """Another revision."""
        env = [{"name": name, "value": value} for name, value in sorted(variables.items())]
        self.edit(config={"env": env})

    def good(self, **change: Any) -> None:
        """A revision that works, other than any before."""
        self.edit(**merged({"config": {"env": [{"name": "VARIANT", "value": self._token()}]}}, change))

    def bad(self, misbehave: str = "crash", **change: Any) -> None:
        env = [{"name": "MISBEHAVE", "value": misbehave}, {"name": "VARIANT", "value": self._token()}]
        self.edit(**merged({"config": {"env": env}}, change))

    def ask(self, verb: str, value: str = "") -> None:
        """An annotation `hogwarts.edu/<verb>`."""
        patch = {"metadata": {"annotations": {f"hogwarts.edu/{verb}": value or self._token()}}}
        self.server.merge(MARAUDERSMAP, NAMESPACE, NAME, patch, manager="kubectl-marauders")

    def _token(self) -> str:
        return f"t{next(self._tokens)}"

    # --- time ---------------------------------------------------------------------------------------------------------
    async def tick(self, seconds: float = 1.0) -> None:
        """Time passes, the cluster works, the operator answers."""
        await asyncio.sleep(seconds)
        self._settle()
        for operator in list(self.operators):
            await operator.work()
        self._settle()
        for check in self.every_tick:
            check()

    async def run(self, seconds: float, step: float = 1.0) -> None:
        for _ in range(round(seconds / step)):
            await self.tick(step)

    async def until(self, holds: Callable[[], bool], seconds: float = 300, step: float = 1.0) -> float:
        """Seconds until it holds. Fails with what the status says."""
        began = self.clock()
        while not holds():
            passed = (self.clock() - began).total_seconds()
            assert passed < seconds, f"not within {seconds:.0f} s; {self.described()}"
            await self.tick(step)
        return (self.clock() - began).total_seconds()

    # --- what there is ------------------------------------------------------------------------------------------------
    @property
    def resource(self) -> Manifest:
        return self.server.get(MARAUDERSMAP, NAMESPACE, NAME)

    @property
    def has_resource(self) -> bool:
        return self.server.storage.get(MARAUDERSMAP, NAMESPACE, NAME) is not None

    @property
    def _body(self) -> Manifest:
        """The resource as stored: not to be changed."""
        stored = self.server.storage.get(MARAUDERSMAP, NAMESPACE, NAME)
        if stored is None:
            raise not_found(MARAUDERSMAP, NAME)
        return stored.body

    @property
    def status(self) -> Manifest:
        """As stored: not to be changed."""
        found: Manifest = self._body.get("status") or {}
        return found

    @property
    def suspended(self) -> bool:
        return bool(self._body["spec"].get("suspend"))

    @property
    def phase(self) -> str:
        """Of the spec as it is now; empty while the status speaks of an earlier one."""
        resource = self._body
        status = resource.get("status") or {}
        seen = status.get("observedGeneration") == resource["metadata"]["generation"]
        return str(status.get("phase", "")) if seen else ""

    @property
    def stable(self) -> str:
        return str((self.status.get("stable") or {}).get("revision", ""))

    @property
    def candidate(self) -> Manifest:
        found: Manifest = self.status.get("candidate") or {}
        return found

    @property
    def rejected(self) -> list[Manifest]:
        found: list[Manifest] = self.status.get("rejected") or []
        return found

    def condition(self, kind: str) -> Manifest:
        conditions = self.status.get("conditions") or ()
        found: Manifest = next((c for c in conditions if c["type"] == kind), {})
        return found

    def find(self, kind: Kind, name: str) -> Manifest | None:
        return self.server.find(kind, NAMESPACE, name)

    def get(self, kind: Kind, name: str) -> Manifest:
        return self.server.get(kind, NAMESPACE, name)

    def all(self, kind: Kind) -> list[Manifest]:
        """As stored: not to be changed."""
        return [s.body for s in self.server.storage.all(kind, NAMESPACE)]

    @property
    def selected(self) -> str:
        """The revision in the Service's selector; empty for none, SHARED for every one."""
        service = self.server.storage.get(SERVICE, NAMESPACE, API)
        if service is None:
            return ""
        revision = str((service.body["spec"].get("selector") or {}).get(LABEL_REVISION, SHARED))
        return "" if revision == NO_REVISION else revision

    def pods(self, revision: str = "") -> list[Manifest]:
        """Pods of the API that are not leaving, of one revision when it is given."""
        return [
            p
            for p in self.all(POD)
            if p["metadata"]["labels"].get("app.kubernetes.io/component") == "api"
            and (not revision or p["metadata"]["labels"].get(LABEL_REVISION) == revision)
            and "deletionTimestamp" not in p["metadata"]
            and p.get("status", {}).get("phase") not in ("Failed", "Succeeded")
        ]

    def ready(self, revision: str = "") -> int:
        return sum(is_ready(p) for p in self.pods(revision))

    def endpoints(self, service: str = API) -> set[str]:
        """Names of the pods that answer its users."""
        return {
            e["targetRef"]["name"]
            for s in self.all(ENDPOINT_SLICE)
            if s["metadata"]["labels"].get("kubernetes.io/service-name") == service
            for e in s.get("endpoints") or ()
            if e["conditions"]["ready"]
        }

    def deployments(self) -> dict[str, Manifest]:
        """Those of the API by revision."""
        return {
            d["metadata"]["labels"][LABEL_REVISION]: d
            for d in self.all(DEPLOYMENT)
            if LABEL_REVISION in (d["metadata"].get("labels") or {})
        }

    def revisions(self) -> set[str]:
        """Recorded ones."""
        return {
            r["metadata"]["labels"][LABEL_REVISION]
            for r in self.all(CONTROLLER_REVISION)
            if LABEL_REVISION in (r["metadata"].get("labels") or {})
        }

    def jobs(self) -> list[str]:
        return [j["metadata"]["name"] for j in self.all(JOB)]

    def events(self, reason: str) -> list[Manifest]:
        """Events about the resource."""
        return [
            e
            for e in self.all(EVENT)
            if e["reason"] == reason and e["involvedObject"]["kind"] == "MaraudersMap"
        ]

    def version(self) -> int:
        """Of the newest write to anything."""
        return self.server.storage.version

    def described(self) -> str:
        status = self.status
        conditions = {c["type"]: f"{c['status']}/{c['reason']}" for c in status.get("conditions") or ()}
        candidate = (
            {k: self.candidate.get(k) for k in ("revision", "step", "verdict")} if self.candidate else None
        )
        errors = [str(e) for o in self.operators for e in o.queue.errors[-2:]]
        return (
            f"{stamp(self.clock.now)} phase {status.get('phase')}: {status.get('message')}; selected {self.selected}, "
            f"stable {self.stable}, candidate {json.dumps(candidate)}, endpoints {sorted(self.endpoints())}, "
            f"{conditions}, errors {errors}"
        )

    def logs_of(self, namespace: str, pod: str, container: str, previous: bool) -> str:
        return self.last_log_line

    # --- what goes wrong ----------------------------------------------------------------------------------------------
    def kill_at(self, number: int) -> Callable[[Call], None]:
        """The operator dies instead of its `number`-th write from now, and is started again by `survive`."""
        left = [number]

        def act(call: Call) -> None:
            if call.writes:
                left[0] -= 1
                if left[0] == 0:
                    self.faults.before.remove(act)
                    raise Killed

        self.faults.before.append(act)
        return act

    async def survive(self, seconds: float = 1.0) -> None:
        """A tick; an operator that dies in it is started again."""
        try:
            await self.tick(seconds)
        except Killed:
            self.restart()


def quiet() -> None:
    """The operator's log is not what these tests are about."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def play(story: Callable[[], Awaitable[T]]) -> T:
    """Run a story to its end outside of pytest's loop."""

    async def whole() -> T:
        return await story()

    return asyncio.run(whole())


__all__ = ["Health", "Loop", "copied"]
