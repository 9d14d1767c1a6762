"""The HTTPRoute of a resource: read by the passes that need it, because a kind that may not be there is never watched."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Manifest, NotFound, Refused, Store
from maraudersmap_operator.cluster.kinds import HTTP_ROUTE
from maraudersmap_operator.cluster.reported import condition_of
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.names import LABEL_INSTANCE, LABEL_MANAGED_BY, MANAGER
from maraudersmap_operator.resource.reasons import AnyReason, PassedOn, Reason
from maraudersmap_operator.resource.traffic import Gateway, GatewayParent
from maraudersmap_operator.rollout import RouteFacts
from maraudersmap_operator.telemetry import logger

from ..apply.child_writer import obstacle_to
from ..context.subject import Subject
from ..reading.live_reads import in_time
from ..status.fates import Fates

# The parts of the spec that the route is made of.
MADE_OF = frozenset({"gateway", "service"})
READING = "read the route"
NOT_SERVED = RouteFacts(
    reason=Reason.NO_GATEWAY_API,
    message="the cluster has no kind HTTPRoute: install the Gateway API's CRDs and a Gateway, or remove spec.gateway",
)


async def read_route(
    cluster: Cluster,
    store: Store,
    fates: Fates,
    owner: Owner,
    spec: MaraudersMapSpec,
    *,
    understood: bool = True,
) -> RouteFacts | None:
    """Facts of the route; None when the spec asks for none. That it cannot be read goes into the log once: the status shows
    it only while a share of traffic is asked of it.

    `understood`: the spec's part `gateway`. Where it is not, the route that exists is what is asked for: users' requests
    follow its weights all the same.
    """
    if spec.gateway is None and understood:
        return None
    try:
        route = await in_time(_refresh(cluster, store, owner))
    except NotFound:
        return NOT_SERVED if understood else None
    except ClusterError as error:
        if fates.is_news(READING, error):
            logger().warning("route not read", error=error.message)
        # Unknown: what was known of it stands, and nothing new is asked of it.
        route = store.find(
            Key(owner.namespace, owner.name), HTTP_ROUTE, children.names.http_route(owner.name)
        )
        if route is not None:
            return replace(_facts(route, owner, spec, understood), up_to_date=False)
        # Nor is its weight known to be none: what it may lead to stays.
        return RouteFacts(
            up_to_date=False,
            reason=Reason.ROUTE_UNREAD,
            message=f"the route could not be read: {error.message}",
        )
    fates.is_over(READING)
    if route is None:
        missing = RouteFacts(reason=Reason.NOT_CREATED, message="the route is about to be created")
        return missing if understood else None
    return _facts(route, owner, spec, understood)


async def weigh(subject: Subject, percent: int) -> None:
    """Give the preview Service that percentage on the route that exists; nothing else of it changes. Raises ClusterError."""
    owner, name = subject.owner, children.names.http_route(subject.owner.name)
    live = await subject.cluster.get(HTTP_ROUTE, owner.namespace, name)
    if live is None:
        return  # no request comes by it
    if obstacle := obstacle_to(live, owner, kept=False):
        raise Refused(obstacle[1], 409)
    body = deepcopy(live)
    weights = {
        children.names.service(owner.name): 100 - percent,
        children.names.preview_service(owner.name): percent,
    }
    for rule in body["spec"].get("rules") or ():
        backends = rule.get("backendRefs") or ()
        if weights.keys() <= {backend["name"] for backend in backends}:
            for backend in backends:
                backend["weight"] = weights.get(backend["name"], backend.get("weight", 1))
    subject.store.confirm(HTTP_ROUTE, await subject.cluster.replace(body))


def _facts(route: Manifest, owner: Owner, spec: MaraudersMapSpec, understood: bool) -> RouteFacts:
    return route_facts(route, owner, spec if understood else _as_it_is(route, spec))


def _as_it_is(route: Manifest, spec: MaraudersMapSpec) -> MaraudersMapSpec:
    """The spec as if it asked for the Gateways that the route names. A reference may have more than this release knows."""
    parents = tuple(
        GatewayParent.model_construct(
            name=ref["name"], namespace=ref.get("namespace"), section_name=ref.get("sectionName")
        )
        for ref in route["spec"].get("parentRefs") or ()
    )
    return spec.model_copy(update={"gateway": Gateway.model_construct(parent_refs=parents, hostnames=())})


async def _refresh(cluster: Cluster, store: Store, owner: Owner) -> Manifest | None:
    """The route as it is now, in the store as well. Raises NotFound when the cluster does not know the kind.

    A list, because a single object's 404 does not distinguish the one from the other.
    """
    key = Key(owner.namespace, owner.name)
    selector = f"{LABEL_MANAGED_BY}={MANAGER},{LABEL_INSTANCE}={owner.name}"
    listing = await cluster.list(HTTP_ROUTE, owner.namespace, selector)
    for known in store.children(key, HTTP_ROUTE):
        if known["metadata"]["uid"] not in {o["metadata"]["uid"] for o in listing.items}:
            store.remove(known["metadata"]["uid"])
    for item in listing.items:
        store.confirm(HTTP_ROUTE, item)
    return store.find(key, HTTP_ROUTE, children.names.http_route(owner.name))


def route_facts(route: Manifest, owner: Owner, spec: MaraudersMapSpec) -> RouteFacts:
    """What the Gateways report of the route, and the weight that they are asked for."""
    asked = {(w.namespace or owner.namespace, w.name, w.section_name) for w in _wanted(spec)}
    # Entries of Gateways that an earlier spec named may stay for ever.
    entries = [p for p in (route.get("status") or {}).get("parents") or () if _asked(p, owner) in asked]
    parents = _newest(entries, owner)
    generation = route["metadata"].get("generation", 0)
    reason, message = _refusal(parents, owner, spec)
    return RouteFacts(
        weight=_weight(route, owner),
        accepted=reason is None,
        up_to_date=all(_version(p) >= generation for p in parents),
        reason=reason,
        message=message,
    )


def _newest(entries: list[dict[str, Any]], owner: Owner) -> list[dict[str, Any]]:
    """A Gateway has one controller: what an earlier one has written about the same Gateway no one takes back, and it is of an
    older version of the route than what its successor has."""
    last: dict[tuple[str, str, str | None], int] = {}
    for entry in entries:
        gateway = _asked(entry, owner)
        last[gateway] = max(last.get(gateway, 0), _version(entry))
    return [entry for entry in entries if _version(entry) == last[_asked(entry, owner)]]


def _version(entry: dict[str, Any]) -> int:
    """Of the route, when the Gateway took it up or refused it; 0 for not known."""
    return int(condition_of(entry, "Accepted").get("observedGeneration", 0))


def _refusal(
    parents: list[dict[str, Any]], owner: Owner, spec: MaraudersMapSpec
) -> tuple[AnyReason | None, str]:
    """Why not every Gateway that was asked serves the route; empty words when all do."""
    for wanted in _wanted(spec):
        namespace = wanted.namespace or owner.namespace
        listener = f", listener {wanted.section_name}," if wanted.section_name else ""
        gateway = f"the Gateway {namespace}/{wanted.name}{listener}"
        own = [p for p in parents if _asked(p, owner) == (namespace, wanted.name, wanted.section_name)]
        if not own:
            return Reason.NO_GATEWAY, (
                f"{gateway} has not taken the route up: does it exist, and do its listeners allow routes from the "
                f"namespace {owner.namespace}?"
            )
        for condition in (
            c for p in own for c in (condition_of(p, "Accepted"), condition_of(p, "ResolvedRefs"))
        ):
            if condition.get("status", "True") != "True":
                words = [str(condition["reason"]), str(condition.get("message", ""))]
                return PassedOn(
                    words[0]
                ), f"{gateway} does not serve the route: {': '.join(w for w in words if w)}"
    return None, ""


def _wanted(spec: MaraudersMapSpec) -> tuple[GatewayParent, ...]:
    return spec.gateway.parent_refs if spec.gateway is not None else ()


def _asked(parent: dict[str, Any], owner: Owner) -> tuple[str, str, str | None]:
    """Namespace, name and listener of the Gateway that an entry of the route's status speaks of."""
    ref = parent["parentRef"]
    return ref.get("namespace") or owner.namespace, ref["name"], ref.get("sectionName")


def _weight(route: Manifest, owner: Owner) -> int:
    """Percent that the preview Service gets of what comes through the route."""
    preview = children.names.preview_service(owner.name)
    weights = [
        (ref["name"], int(ref.get("weight", 1)))
        for rule in route["spec"].get("rules") or ()
        for ref in rule.get("backendRefs") or ()
    ]
    whole = sum(weight for _, weight in weights)
    return round(100 * sum(weight for name, weight in weights if name == preview) / whole) if whole else 0
