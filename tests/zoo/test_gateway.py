"""A canary whose shares are weights: the prober asks the Gateway, and never the Service."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import pytest
from dev.gateway.install import GATEWAY, NAMESPACE, SERVICE, install
from dev.kube import Kubectl
from tests.cluster import budgets
from tests.cluster.conftest import own_namespace
from tests.zoo.cage import Cage, base_spec
from tests.zoo.record import Row
from tests.zoo.test_bad_revisions import WATCHED

LABEL = "Canary, Gateway"


@pytest.fixture(scope="module")
def cage(kubectl: Kubectl, misbehaving_image: str, rows: list[Row]) -> Iterator[Cage]:
    """The resource behind the Gateway of `make gateway`."""
    install(kubectl)
    with own_namespace(kubectl) as name:
        target = f"{SERVICE}.{NAMESPACE}"
        made = Cage(kubectl, name, misbehaving_image, strategy=LABEL, target=target, rows=rows)
        spec = base_spec(misbehaving_image, "Canary")
        # With its host name the route wins over those that others may have for every name.
        parents = [{"name": GATEWAY, "namespace": NAMESPACE}]
        spec["gateway"] = {"parentRefs": parents, "hostnames": [target]}
        made.resource_exists(spec)
        made.until_phase("Ready", budgets.PROMOTED)
        yield made


def weight(cage: Cage) -> int:
    """Percent of what comes through the Gateway that the route gives the preview Service."""
    route = cage.get("httproute", "marauders-map-api")
    assert route is not None
    [rule] = route["spec"]["rules"]
    return next(int(b["weight"]) for b in rule["backendRefs"] if b["name"].endswith("-preview"))


def test_a_good_revision_gets_its_shares_by_weight(cage: Cage) -> None:
    seen: list[int] = []

    def ready() -> bool | None:
        seen.append(weight(cage))
        return True if cage.status().get("phase") == "Ready" else None

    with cage.trial("a good revision") as trial:
        trial.edit(config={"logLevel": "debug"})
        cage.until(ready, "promoted", budgets.PROMOTED)
        trial.until_promoted()
    assert [percent for percent, _ in groupby(seen)] == [0, 20, 50, 0]


def test_a_revision_that_crashes_meets_nobody(cage: Cage) -> None:
    with cage.trial("crash at start") as trial:
        trial.misbehave("crash")
        assert trial.until_rejected()["reason"] == "CrashLoop"
    assert weight(cage) == 0


def test_errors_under_the_first_weight_are_reported_and_taken_back(cage: Cage) -> None:
    """A fifth of the requests meets it, and a fifth of those fails."""
    with cage.trial("errors in 20 % of answers", failed_percent=8) as trial:
        trial.misbehave("errors:20", **WATCHED)
        assert trial.until_rejected()["reason"] == "ErrorRate"
    assert weight(cage) == 0


def test_a_pod_that_hangs_under_a_weight_is_taken_back(cage: Cage) -> None:
    with cage.trial("hangs under traffic", failed_percent=20) as trial:
        trial.misbehave("hangs:5", **WATCHED)
        assert trial.until_rejected()["reason"] == "NotReadyAfterPromotion"


def test_a_new_spec_under_a_weight_supersedes_the_candidate(cage: Cage) -> None:
    with cage.trial("a new spec while a share is weighed") as trial:
        trial.edit(config={"logLevel": "debug"})
        cage.until_true(lambda: weight(cage) == 20, "the first share", budgets.PROMOTED)
        trial.edit(config={"logLevel": "warn"})
        trial.until_promoted()


def test_a_listener_that_does_not_exist_is_reported_and_nothing_is_held_against_the_revision(
    cage: Cage,
) -> None:
    """The one that serves goes on doing so with stable."""
    with cage.trial("one of two listeners does not exist") as trial:
        parents = [
            {"name": GATEWAY, "namespace": NAMESPACE, "sectionName": listener}
            for listener in ("web", "nosuch")
        ]
        change = {"config": {"logLevel": "error"}, "rollout": {"progressDeadlineSeconds": 20}}
        trial.edit(gateway={"parentRefs": parents}, **change)
        hold = trial.until_withdrawn()
        assert hold["reason"] == "RouteNotServed"
        assert cage.condition("RouteReady")[:2] == ("False", "NoMatchingParent")
