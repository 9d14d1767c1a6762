"""Save what a failing pod has to say before it goes: its last log lines and its Events, secrets masked."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Manifest, Store
from maraudersmap_operator.cluster.kinds import EVENT, POD, SECRET
from maraudersmap_operator.resource.status import MAX_LOG_LINE, MAX_LOG_LINES, MAX_POD_EVENTS, Evidence
from maraudersmap_operator.telemetry import logger

from .observe import pods_of, revision_of
from .pods import pod_facts

MASK = "***"
SHORTEST_SECRET = 6  # masking every "a" of a one-letter value would leave nothing to read
# What looks like a credential, whoever's it is: URL passwords, bearer tokens, JWTs, key=value pairs.
PATTERNS = (
    re.compile(r"(?<=://)([^\s:/@]+):([^\s@/]+)@"),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    re.compile(
        r"(?i)\b([\w-]*(?:password|passwd|secret|token|api[_-]?key)[\w-]*[\"']?\s*[=:]\s*)[\"']?[^\s\"',}]+"
    ),
)


async def gather(cluster: Cluster, store: Store, key: Key, revision: str) -> Evidence | None:
    """Evidence from the revision's worst pod; None when it never had one. Never fails a rollback."""
    pods = pods_of(store, key, revision) or [
        p for p in store.children(key, POD) if revision_of(p) == revision
    ]
    if not pods:
        return None
    worst = max(pods, key=lambda p: (pod_facts(p).termination_count, bool(pod_facts(p).waiting_reason)))
    facts = pod_facts(worst)
    secrets = await _secret_values(cluster, key.namespace, worst)
    last = facts.last_terminations[-1] if facts.last_terminations else None
    return Evidence(
        pod=facts.name,
        exit_code=last.exit_code if last else None,
        reason=last.reason if last else facts.waiting_reason,
        logs=tuple(mask(line, secrets)[:MAX_LOG_LINE] for line in await _log_lines(cluster, worst)),
        events=tuple(
            mask(text, secrets)[:MAX_LOG_LINE] for text in await _events(cluster, key.namespace, facts.uid)
        ),
    )


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given values and without anything that looks like a credential."""
    for value in sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(value, MASK)
    url, bearer, jwt, pair = PATTERNS
    text = url.sub(rf"\1:{MASK}@", text)
    text = bearer.sub(rf"\1 {MASK}", text)
    text = jwt.sub(MASK, text)
    return pair.sub(rf"\1{MASK}", text)


async def _log_lines(cluster: Cluster, pod: Manifest) -> list[str]:
    """The last lines of the run that failed: the present one, or the one before when that has just been restarted."""
    meta, status = pod["metadata"], pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    if not containers:
        return []
    container = max(containers, key=lambda c: int(c.get("restartCount", 0)))
    running = "running" in (container.get("state") or {})
    previous = running and int(container.get("restartCount", 0)) > 0
    try:
        text = await cluster.logs(meta["namespace"], meta["name"], container["name"], MAX_LOG_LINES, previous)
    except ClusterError as error:
        # An image that was never pulled has no log; a pod that has gone meanwhile neither.
        logger().debug("no log to keep", pod=meta["name"], error=str(error))
        return []
    return [line for line in text.splitlines() if line.strip()][-MAX_LOG_LINES:]


async def _events(cluster: Cluster, namespace: str, uid: str) -> list[str]:
    try:
        listing = await cluster.list(EVENT, namespace, fields=f"involvedObject.uid={uid}")
    except ClusterError as error:
        logger().debug("no events to keep", error=str(error))
        return []
    found = sorted(listing.items, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    return [f"{e.get('reason', '')}: {e.get('message', '')}" for e in found][-MAX_POD_EVENTS:]


async def _secret_values(cluster: Cluster, namespace: str, pod: Manifest) -> set[str]:
    """Every value of the Secrets that the pod's environment comes from."""
    values: set[str] = set()
    for name in pod["spec"].get("secretNames") or ():
        try:
            secret = await cluster.get(SECRET, namespace, name)
        except ClusterError as error:
            logger().warning("cannot read a Secret to mask its values", secret=name, error=str(error))
            continue
        for value in ((secret or {}).get("data") or {}).values():
            values.add(base64.b64decode(value).decode(errors="replace"))
    return values
