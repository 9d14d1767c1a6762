"""What the Gateways' words about a route mean."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Kind, Listing, NotFound, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.reconcile.actions.route import NOT_SERVED, read_route, route_facts
from maraudersmap_operator.reconcile.status.fates import Fates
from maraudersmap_operator.resource import MaraudersMapSpec, parse

OWNER = Owner("map", "demo", "uid-1")


def spec(**gateway: Any) -> MaraudersMapSpec:
    parents = [{"name": "edge", "namespace": "gateways"}]
    given = {"image": "api:1", "database": {"evaluation": {}}, "gateway": {"parentRefs": parents} | gateway}
    return parse({"metadata": {"name": "map", "namespace": "demo"}, "spec": given}).spec


def parent(generation: int = 3, **statuses: str) -> dict[str, Any]:
    """An entry of `status.parents`, as Traefik and others write it."""
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": "Word",
            "message": "words",
            "observedGeneration": generation,
        }
        for kind, status in ({"Accepted": "True", "ResolvedRefs": "True"} | statuses).items()
    ]
    return {"parentRef": {"name": "edge", "namespace": "gateways"}, "conditions": conditions}


def route(*parents: dict[str, Any], weight: int = 10) -> dict[str, Any]:
    """A route in generation 3."""
    wanted = children.http_route(OWNER, spec(), weight)
    assert wanted is not None
    metadata = wanted["metadata"] | {"generation": 3, "uid": "r-1", "resourceVersion": "7"}
    return wanted | {"metadata": metadata, "status": {"parents": list(parents)}}


def test_accepted_and_up_to_date() -> None:
    facts = route_facts(route(parent()), OWNER, spec())
    assert (facts.weight, facts.accepted, facts.up_to_date, facts.left) == (10, True, True, False)


def test_a_gateway_that_speaks_of_an_older_version_is_not_up_to_date() -> None:
    """Weight 0 is no proof as long as it may still serve the version before."""
    facts = route_facts(route(parent(generation=2), weight=0), OWNER, spec())
    assert (facts.accepted, facts.up_to_date, facts.left) == (True, False, False)


def test_what_no_gateway_has_ever_taken_up_leads_nobody_anywhere() -> None:
    facts = route_facts(route(weight=0), OWNER, spec())
    assert (facts.accepted, facts.reason, facts.left) == (False, "NoGateway", True)
    assert "the Gateway gateways/edge has not taken the route up" in facts.message


def test_of_two_words_about_one_gateway_the_newer_counts() -> None:
    """The Gateway was given to another implementation; what the earlier one has left, no one takes back."""
    assert route_facts(route(parent(1), parent(3)), OWNER, spec()).up_to_date
    facts = route_facts(route(parent(3), parent(1, Accepted="False")), OWNER, spec())
    assert (facts.accepted, facts.up_to_date) == (True, True)
    # as long as neither has seen the newest version, it is not known to be served
    assert not route_facts(route(parent(1), parent(2)), OWNER, spec()).up_to_date
    # at the same version each counts
    assert not route_facts(route(parent(3), parent(3, Accepted="False")), OWNER, spec()).accepted


@pytest.mark.parametrize("kind", ["Accepted", "ResolvedRefs"])
def test_a_refusal_is_reported_in_the_gateways_words(kind: str) -> None:
    facts = route_facts(route(parent(3, **{kind: "False"})), OWNER, spec())
    assert (facts.accepted, facts.reason) == (False, "Word")
    assert facts.message == "the Gateway gateways/edge does not serve the route: Word: words"


def test_every_gateway_that_was_asked_must_accept() -> None:
    both = spec(parentRefs=[{"name": "edge", "namespace": "gateways"}, {"name": "inner"}])
    assert route_facts(route(parent()), OWNER, both).message.startswith("the Gateway demo/inner has not")
    listener = spec(parentRefs=[{"name": "edge", "namespace": "gateways", "sectionName": "https"}])
    assert route_facts(route(parent()), OWNER, listener).accepted is False


def store_with_the_resource() -> Store:
    store = Store()
    meta = {"name": "map", "namespace": "demo", "uid": "uid-1", "resourceVersion": "1"}
    store.put(MARAUDERSMAP, {"metadata": meta, "spec": {}})
    return store


class Routes:
    """A cluster with these routes; without the kind when None."""

    def __init__(self, items: list[dict[str, Any]] | None) -> None:
        self.items = items

    async def list(self, kind: Kind, namespace: str, selector: str) -> Listing:
        if self.items is None:
            raise NotFound("the server could not find the requested resource", 404)
        return Listing(tuple(self.items), 9)


def test_without_the_kind_it_is_reported_how_to_get_it() -> None:
    facts = asyncio.run(read_route(cast("Cluster", Routes(None)), Store(), Fates(), OWNER, spec()))
    assert facts == NOT_SERVED


def test_a_route_deleted_by_somebody_is_forgotten() -> None:
    store = store_with_the_resource()
    assert (
        asyncio.run(read_route(cast("Cluster", Routes([route(parent())])), store, Fates(), OWNER, spec()))
        is not None
    )
    assert len(store) == 2
    facts = asyncio.run(read_route(cast("Cluster", Routes([])), store, Fates(), OWNER, spec()))
    assert facts is not None
    assert facts.reason == "NotCreated"
    assert len(store) == 1
