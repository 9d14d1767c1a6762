"""The overlays of a service say what a place of that kind needs, and nothing that the resource does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.manifests.overlay import CLOUDFLARE, OVERLAYS, SERVICE, resource_of

from maraudersmap_operator.resource.maraudersmap import MaraudersMap, parse


def _parsed(name: str, *components: Path) -> MaraudersMap:
    return parse(resource_of(SERVICE / "overlays" / name, *components))


def test_there_is_an_overlay_for_each_kind_of_place() -> None:
    assert [overlay.name for overlay in OVERLAYS] == ["development", "production", "staging"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: str(overlay.name))
def test_every_field_is_one_that_the_resource_has(overlay: Path) -> None:
    resource = _parsed(overlay.name)
    assert resource.not_understood == ""
    assert resource.ignored == ()


def test_development_needs_nothing_from_outside() -> None:
    spec = _parsed("development").spec
    assert spec.database.evaluation is not None
    assert spec.jwt_secret is None
    assert spec.ingress is None


@pytest.mark.parametrize("name", ["staging", "production"])
def test_what_users_meet_keeps_its_data_outside_and_is_reached_through_tls_only(name: str) -> None:
    spec = _parsed(name).spec
    assert spec.database.external is not None
    assert spec.cache.external is not None
    assert spec.jwt_secret is not None
    assert spec.ingress is not None
    assert spec.ingress.tls is not None
    # A Service of type LoadBalancer would be a way around the ingress, and so around X-Forwarded-For.
    assert spec.service.type == "ClusterIP"
    assert spec.network_policy.allowed_namespaces
    assert spec.config.cors_origins == (f"https://{spec.ingress.host}",)


def test_production_has_the_host_and_the_numbers_that_are_asked_for() -> None:
    spec = _parsed("production").spec
    assert spec.ingress is not None
    assert spec.ingress.host == "marauders-map.hogwarts.edu"
    assert (spec.autoscaling.min_replicas, spec.autoscaling.max_replicas) == (3, 10)
    assert spec.config.trusted_proxies == 1


def test_behind_cloudflare_two_proxies_write_the_address() -> None:
    assert _parsed("production", CLOUDFLARE).spec.config.trusted_proxies == 2
