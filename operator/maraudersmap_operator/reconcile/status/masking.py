"""Keep what a container or the kubelet reports from carrying credentials into conditions, Events, the ledger or logs.

A text is masked where it enters, before anything is decided on it: everything further in can only ever hold masked text.
Masked are the values of the Secrets that a pod reads, in the forms in which programs print them, and what looks like a
credential, of any origin. Only values that a Secret has now are known: what was written in a run that may have begun with
others is withheld.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from maraudersmap_operator.cluster import Cluster, ClusterError, Manifest
from maraudersmap_operator.cluster.kinds import SECRET
from maraudersmap_operator.cluster.mask import NOTHING_TO_MIGRATE, Mask, forms_of, mask_of
from maraudersmap_operator.telemetry import logger

from ..reading.pods import required_time, time_of

# An API server that does not answer must not hold a verdict back.
READ_SECONDS = 1.5
UNANSWERED = timedelta(seconds=10)
# A run's times are of its node's clock, and a kubelet learns of a change a moment later.
CLOCKS_DIFFER = timedelta(seconds=5)
# When it is not known when a Secret got its values: after any run.
UNKNOWN = datetime.max.replace(tzinfo=UTC)

# Reported of a container that has not run, or without quoting it. All else (a hook's output, a command line with the
# environment filled in) may hold what only the container knew.
QUOTES_NO_CONTAINER = frozenset({
    "ContainerCreating", "CrashLoopBackOff", "CreateContainerConfigError", "ErrImageNeverPull", "ErrImagePull",
    "ImageInspectError", "ImagePullBackOff", "InvalidImageName", "PodInitializing", "RegistryUnavailable",
})  # fmt: skip
CONTAINER_LISTS = ("initContainerStatuses", "containerStatuses")


@dataclass(frozen=True, slots=True)
class _Values:
    """Of a Secret as it is now. `since`: a run that began then, or later, has had them."""

    forms: frozenset[str]
    since: datetime


@dataclass(frozen=True, slots=True)
class PodMask:
    """For the texts of one pod. `since`: of each Secret that it reads, from when on a run has had the values of now."""

    mask: Mask
    since: Mapping[str, datetime] = field(default_factory=dict)

    def of_run(self, began: datetime) -> Mask:
        """For what was written in a run that began then, or after."""
        changed = tuple(sorted(name for name, since in self.since.items() if began < since))
        return replace(self.mask, changed=changed) if changed else self.mask


class Silence(Mask):
    """Hides all that a container wrote: of one that ended well nothing is shown, so no Secret need be read to mask it."""

    def container(self, text: str) -> str:
        return text if text.strip() == NOTHING_TO_MIGRATE else ""


class Masks:
    """The masks of one pass over one resource. A Secret is read when the first mask needs it, and once.

    `unanswered`: when Secrets that gave no answer were asked for, kept from pass to pass: for a while the passes that follow
    do not wait for them again.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, unanswered: dict[str, datetime], now: datetime
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._unanswered = unanswered
        self._now = now
        self._read: dict[str, _Values | None] = {}

    async def of(self, pod: Manifest) -> PodMask:
        """For the texts of the pod, as the store keeps it. Reads up to READ_SECONDS; raises nothing of the cluster's."""
        await self.read([pod])
        names = _secret_names(pod)
        known = {name: values for name in names if (values := self._read[name]) is not None}
        mask = mask_of(
            (form for values in known.values() for form in values.forms),
            (name for name in names if name not in known),
        )
        return PodMask(mask, {name: values.since for name, values in known.items()})

    async def read(self, pods: Iterable[Manifest]) -> None:
        """The Secrets of all of them at the same time, so that many that hang cost no more than one."""
        new = sorted({name for pod in pods for name in _secret_names(pod)} - set(self._read))
        self._read.update(zip(new, await asyncio.gather(*map(self._values, new)), strict=True))

    async def _values(self, name: str) -> _Values | None:
        """None when the values cannot be known. That includes a Secret that is gone: a container that ran had read it."""
        asked_at = self._unanswered.pop(name, None)
        if asked_at is not None and self._now < asked_at + UNANSWERED:
            self._unanswered[name] = asked_at
            return None
        try:
            async with asyncio.timeout(READ_SECONDS):
                secret = await self._cluster.get(SECRET, self._namespace, name)
        except (ClusterError, TimeoutError) as error:
            why = error.message if isinstance(error, ClusterError) else "no answer in time"
            if isinstance(error, TimeoutError):
                self._unanswered[name] = self._now
            logger().warning("cannot read a Secret to mask its values", secret=name, error=why)
            return None
        return None if secret is None else _Values(frozenset(forms_of(secret)), _since(secret))


def _since(secret: Manifest) -> datetime:
    """From when on a run has had the Secret's values of now, as managedFields have it; the API server dates there whatever
    sets a value. A key that was only removed leaves no trace."""
    meta = secret.get("metadata") or {}
    entries = [e for e in meta.get("managedFields") or () if "f:data" in (e.get("fieldsV1") or {})]
    times = [time_of(e.get("time")) for e in entries]
    created = time_of(meta.get("creationTimestamp"))
    if created is None or not times or None in times:
        return UNKNOWN
    changed = max(t for t in times if t is not None)
    # What it was made with no run had before: none begins without it.
    return created if changed <= created else changed + CLOCKS_DIFFER


async def masked(pods: Iterable[Manifest], masks: Masks) -> list[Manifest]:
    """The pods, as the store keeps them, with every text of theirs masked. Secrets are read only where one may be shown."""
    asked = list(pods)
    await masks.read(pod for pod in asked if _may_be_shown(pod))
    return [await _masked_pod(pod, masks) if _has_text(pod) else pod for pod in asked]


async def _masked_pod(pod: Manifest, masks: Masks) -> Manifest:
    return masked_pod(pod, await masks.of(pod) if _may_be_shown(pod) else PodMask(Silence()))


def _secret_names(pod: Manifest) -> tuple[str, ...]:
    return tuple((pod.get("spec") or {}).get("secretNames") or ())


def masked_pod(pod: Manifest, mask: PodMask) -> Manifest:
    """A copy in which no container's state has what the mask hides."""
    status = dict(pod.get("status") or {})
    made = required_time(pod["metadata"]["creationTimestamp"])
    for part in CONTAINER_LISTS:
        if part in status:
            status[part] = [_masked_container(container, mask, made) for container in status[part]]
    return {**pod, "status": status}


def _masked_container(container: Manifest, mask: PodMask, made: datetime) -> Manifest:
    found = dict(container)
    for part in ("state", "lastState"):
        if container.get(part):
            found[part] = {
                kind: _masked_state(kind, state, mask, made) for kind, state in container[part].items()
            }
    return found


def _masked_state(kind: str, state: Manifest, mask: PodMask, made: datetime) -> Manifest:
    if not state or not state.get("message"):
        return state
    quotes = kind == "terminated" or state.get("reason") not in QUOTES_NO_CONTAINER
    # Of a run that the kubelet gives no begin for: not before its pod was made.
    own = mask.of_run(max(time_of(state.get("startedAt")) or made, made))
    hide = own.container if quotes else own.cluster
    return {**state, "message": hide(str(state["message"]))}


def _may_be_shown(pod: Manifest) -> bool:
    return _has_text(pod) and (pod.get("status") or {}).get("phase") != "Succeeded"


def _has_text(pod: Manifest) -> bool:
    status = pod.get("status") or {}
    return any(
        state.get("message")
        for part in CONTAINER_LISTS
        for container in status.get(part) or ()
        for states in (container.get("state") or {}, container.get("lastState") or {})
        for state in states.values()
        if state
    )
