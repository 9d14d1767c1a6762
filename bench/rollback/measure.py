"""One case under one tool: start afresh, change the revision, watch what happens, count what users notice."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace

from bench.rollback.app import NAME, REPLICAS, make_namespace, secret
from bench.rollback.cases import OLD, Case, Kind, new_revision, old_revision
from bench.rollback.contenders import Contender
from bench.rollback.watch import Namespace, View
from dev.kube import Kubectl
from dev.prober import Prober

START_SECONDS = 180.0
REMOVE_SECONDS = 120.0
CLEAR_SECONDS = 40.0
"""After the traffic is back: how long the bad pods may take to go before the case ends without them gone."""
AFTER_SECONDS = 3.0
"""How much longer the prober asks when everything is over."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was seen; seconds count from just before the change was sent. None: not before `watched`."""

    contender: str
    case: str
    reported: float | None = None
    """The tool reported that the new revision is bad; `reason` is its text."""
    restored: float | None = None
    """After that: every ready endpoint is old, all of them are there, and no new pod can get traffic."""
    gone: float | None = None
    """After that: no new pod is left that is not on its way out."""
    switched: float | None = None
    """All of the traffic went to the new revision, at full size."""
    promoted: float | None = None
    """The tool reported that the new revision runs and nothing is under way."""
    met_users: bool = False
    """A new pod was among the ready endpoints at some moment."""
    reason: str = ""
    sent: int = 0
    failed_new: int = 0
    failed_kept: int = 0
    slowest_ms: float = 0
    watched: float = 0
    failures: tuple[str, ...] = ()
    at: str = ""
    """When it was measured, UTC."""
    load: float | None = None
    """Load average of the machine over its last minute; a busy machine makes everything slower but deadlines."""


@dataclass(slots=True)
class Bench:
    """A namespace in which one tool is measured."""

    kubectl: Kubectl
    contender: Contender
    name: str
    image: str
    """The misbehaving one."""
    prober_image: str
    database: dict[str, str]
    labels: dict[str, str]

    @property
    def namespace(self) -> str:
        return f"mm-bench-{self.name}"

    def measure(self, case: Case, cap: float) -> Result:
        """Run one case to its end, or for `cap` seconds. Raises Problem or KubectlFailed."""
        make_namespace(self.kubectl, self.namespace, self.labels)
        self.kubectl.apply(secret(self.database), namespace=self.namespace)
        eyes = Namespace(self.kubectl, self.namespace, self.contender.object_path.format(self.namespace))
        prober = Prober(self.kubectl, self.namespace, NAME, self.prober_image)
        try:
            self._start_afresh(eyes)
            prober.start()
            result = self._change(eyes, case, cap)
            counts = prober.read()
        finally:
            eyes.close()
            prober.stop()
        return replace(
            result,
            sent=counts.sent,
            failed_new=counts.failed_new,
            failed_kept=counts.failed_kept,
            slowest_ms=counts.slowest_ms,
            failures=counts.failures[:5],
            load=round(os.getloadavg()[0], 1),
        )

    def _start_afresh(self, eyes: Namespace) -> None:
        remains = self.contender.remains()
        self._do("delete", *remains, "--ignore-not-found", "--wait=true", "--timeout=60s")
        eyes.until(
            lambda v: True if not v.pods and v.selector is None and v.object is None else None,
            f"{self.namespace} empty",
            REMOVE_SECONDS,
        )
        self.kubectl.apply(*self.contender.start(old_revision(self.image)), namespace=self.namespace)
        self._await_old(eyes)
        if patch := self.contender.started():
            self._do("patch", self.contender.remains()[0], "--type=merge", "-p", json.dumps(patch))
            self._await_old(eyes)

    def _await_old(self, eyes: Namespace) -> None:
        def stands(view: View) -> bool | None:
            settled = view.object is not None and self.contender.settled(view.object)
            # Whatever a tool needed to set itself up is gone too.
            exact = len([p for p in view.pods if p.live]) == REPLICAS
            return True if settled and exact and view.serving == (OLD,) * REPLICAS else None

        eyes.until(stands, f"{self.name}: the old revision serving", START_SECONDS)

    def _change(self, eyes: Namespace, case: Case, cap: float) -> Result:
        revision = new_revision(self.image, case)
        target, patch = self.contender.change(revision)
        began = time.monotonic()
        result = Result(self.name, case.name, at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self._do("patch", target, "--type=merge", "-p", json.dumps(patch))

        def look(view: View) -> bool | None:
            nonlocal result
            result = noted(result, self.contender, view, view.at - began, revision.marker)
            return True if over(result, case, view.at - began, cap) else None

        eyes.until(look, f"{self.name} {case.name}", cap + 30)
        end = time.monotonic() + AFTER_SECONDS

        def linger(view: View) -> bool | None:
            nonlocal result
            result = noted(result, self.contender, view, view.at - began, revision.marker)
            return True if view.at >= end else None

        eyes.until(linger, f"{self.name} {case.name}: the last seconds", AFTER_SECONDS + 30)
        return replace(result, watched=round(time.monotonic() - began, 1))

    def _do(self, *arguments: str) -> None:
        self.kubectl("-n", self.namespace, *arguments)


def noted(result: Result, contender: Contender, view: View, seconds: float, marker: str) -> Result:
    """The result with what this view adds to it: each moment is noted once."""
    seconds = round(seconds, 2)
    changes: dict[str, object] = {}
    if marker in view.serving and not result.met_users:
        changes["met_users"] = True
    if result.switched is None and len(view.serving) >= REPLICAS and set(view.serving) == {marker}:
        changes["switched"] = seconds
    if result.reported is None and view.object is not None and (reason := contender.rejection(view.object)):
        changes |= {"reported": seconds, "reason": reason[:200]}
    reported = result.reported is not None or "reported" in changes
    if reported and result.restored is None and _restored(view):
        changes["restored"] = seconds
    if reported and result.gone is None and not view.new_pods and view.serving == (OLD,) * REPLICAS:
        changes["gone"] = seconds
    switched = result.switched is not None or "switched" in changes
    if (
        switched
        and result.promoted is None
        and not reported
        and view.object is not None
        and contender.settled(view.object)
        and set(view.serving) == {marker}
    ):
        changes["promoted"] = seconds
    return replace(result, **changes) if changes else result  # type: ignore[arg-type]


def _restored(view: View) -> bool:
    old_only = len(view.serving) >= REPLICAS and set(view.serving) == {OLD}
    return old_only and not any(view.selected(pod) for pod in view.new_pods)


def over(result: Result, case: Case, seconds: float, cap: float) -> bool:
    """Whether nothing more is to be seen."""
    if seconds >= cap:
        return True
    if result.restored is not None:
        return result.gone is not None or seconds >= result.restored + CLEAR_SECONDS
    # A bad one that was promoted may still be taken back.
    return case.kind is not Kind.BAD and result.promoted is not None
