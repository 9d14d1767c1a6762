"""What must not be rolled back, however bad it looks for a while: good revisions in bad weather."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from dev.cluster.host.shell import run, succeeds
from dev.cluster.network import registry
from dev.kube import Kubectl
from tests.cluster import budgets
from tests.cluster.scenario import NAME
from tests.zoo.cage import Cage

STRATEGIES = pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])


@STRATEGIES
def test_good_revision(zoo: Callable[[str], Cage], strategy: str) -> None:
    with zoo(strategy).trial("good revision") as trial:
        trial.misbehave("")
        trial.until_promoted()


@STRATEGIES
def test_fails_for_its_first_six_seconds(zoo: Callable[[str], Cage], strategy: str) -> None:
    with zoo(strategy).trial("fails for its first 6 s") as trial:
        trial.misbehave("recovers:6")
        trial.until_promoted()


def test_starts_slowly(zoo: Callable[[str], Cage]) -> None:
    with zoo("BlueGreen").trial("starts after 90 s") as trial:
        trial.misbehave("slow-start:90")
        trial.until_promoted(3 * budgets.PROMOTED)


def test_new_spec_in_the_middle(zoo: Callable[[str], Cage]) -> None:
    cage = zoo("Canary")
    with cage.trial("another spec in the middle") as trial:
        trial.misbehave("")
        cage.until_step("Sharing")
        trial.misbehave("")
        status = trial.until_promoted()
    assert [h["outcome"] for h in status["history"][:2]] == ["Promoted", "Superseded"]


def test_more_pods_in_the_middle(zoo: Callable[[str], Cage]) -> None:
    """Stable is scaled up by its autoscaler during the trial: the new set is as large as what serves by then."""
    cage = zoo("BlueGreen")
    bounds = {"enabled": True, "minReplicas": 3, "maxReplicas": 6, "targetCPUUtilizationPercentage": 900}
    # Long enough out of traffic for the autoscaler, which looks every 15 s.
    slowly = {"autoscaling": bounds, "rollout": {"minReadySeconds": 45}}
    with cage.trial("scaled up in the middle", spec=slowly) as trial:
        trial.misbehave("")
        cage.until_step("Witnesses")
        trial.edit(autoscaling={"minReplicas": 5})
        cage.until_true(lambda: _size(cage, trial.stable) == 5, "stable scaled up", 60)
        candidate = cage.until_step("Baking")
        assert _size(cage, candidate["revision"]) == 5
        trial.until_promoted()


def _size(cage: Cage, revision: str) -> int:
    deployment = cage.get("deployment", f"{NAME}-api-{revision}")
    assert deployment is not None
    return int(deployment["spec"]["replicas"])


@pytest.fixture
def drained(kubectl: Kubectl) -> Iterator[Callable[[str], None]]:
    """Drains a node; afterwards it takes pods again."""
    nodes: list[str] = []

    def drain(node: str) -> None:
        nodes.append(node)
        force = ("--ignore-daemonsets", "--delete-emptydir-data", "--force")
        kubectl("drain", node, *force, "--timeout=180s", "--pod-selector=app.kubernetes.io/component=api")

    yield drain
    for node in nodes:
        kubectl("uncordon", node)


def test_node_drained_in_the_middle(zoo: Callable[[str], Cage], drained: Callable[[str], None]) -> None:
    cage = zoo("BlueGreen")
    with cage.trial("node drained in the middle") as trial:
        trial.misbehave("")
        candidate = cage.until_step("Witnesses")
        pods = cage.until(
            lambda: [p for p in cage.pods(candidate["revision"]) if "nodeName" in p["spec"]], "a pod", 60
        )
        drained(pods[0]["spec"]["nodeName"])
        trial.until_promoted()


@pytest.fixture
def frozen(cluster: str) -> Iterator[Callable[[str, bool], None]]:
    """Freezes a node (True), as when its machine hangs, or lets it go on (False); it goes on in the end."""
    touched: list[str] = []

    def freeze(node: str, stop: bool) -> None:
        assert node.startswith(cluster), "a node of kind is a container of the same name"
        if stop:
            touched.append(node)
        run(["docker", "pause" if stop else "unpause", node])

    yield freeze
    for node in touched:
        succeeds(["docker", "unpause", node])


@pytest.fixture
def cordoned(kubectl: Kubectl) -> Iterator[Callable[[str, bool], None]]:
    """Takes no new pods (True), or does again; in the end it does."""
    nodes: set[str] = set()

    def cordon(node: str, closed: bool) -> None:
        nodes.add(node)
        kubectl("cordon" if closed else "uncordon", node)

    yield cordon
    for node in nodes:
        kubectl("uncordon", node)


def test_node_lost_in_the_middle(
    zoo: Callable[[str], Cage],
    frozen: Callable[[str, bool], None],
    cordoned: Callable[[str, bool], None],
) -> None:
    """Until the node counts as lost, half a minute, nobody knows that its pods do not answer: requests are lost too."""
    cage = zoo("BlueGreen")
    cage.is_ready()
    database = cage.get("pod", f"{NAME}-postgres-0")
    assert database is not None
    if len(nodes := _nodes(cage)) < 2:
        # A drain before this has left them there: full, it would take no witness.
        for node in nodes:
            cordoned(node, True)
        cage.annotate("hogwarts.edu/restart", uuid.uuid4().hex)
        cage.until_true(lambda: len(_nodes(cage)) > 1, "the stable revision on two nodes", 120)
        for node in nodes:
            cordoned(node, False)
        cage.is_ready()
    with cage.trial("node lost in the middle", failed_percent=100) as trial:
        # The witness goes elsewhere: what becomes of the database is another scenario.
        cordoned(database["spec"]["nodeName"], True)
        trial.misbehave("")
        candidate = cage.until_step("Witnesses")

        def away_from_the_database() -> str | None:
            nodes = {p["spec"].get("nodeName", "") for p in cage.pods(candidate["revision"])}
            return next(iter(nodes - {"", database["spec"]["nodeName"]}), None)

        node = cage.until(away_from_the_database, "a witness on another node than the database", 60)
        cordoned(database["spec"]["nodeName"], False)
        frozen(node, True)
        cage.until_true(lambda: not _is_ready(cage, node), "the node lost", 180)
        lost_until = trial.timeline.now() + 30
        cage.until_true(lambda: trial.timeline.now() > lost_until, "half a minute without the node", 60)
        frozen(node, False)
        trial.until_promoted(3 * budgets.PROMOTED)


def _nodes(cage: Cage) -> set[str]:
    """Where pods of the stable revision run."""
    pods = cage.pods(cage.status().get("stable", {}).get("revision", ""))
    return {
        p["spec"]["nodeName"]
        for p in pods
        if "nodeName" in p["spec"] and "deletionTimestamp" not in p["metadata"]
    }


def _is_ready(cage: Cage, node: str) -> bool:
    found = cage.get("node", node)
    assert found is not None
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"]["conditions"])


@pytest.fixture
def database_stopped(cluster: str) -> Iterator[Callable[[Cage, bool], None]]:
    """Freezes the container of the evaluation database (True), or lets it go on (False); it goes on in the end."""
    touched: list[tuple[str, str]] = []

    def stop(cage: Cage, freeze: bool) -> None:
        pod = cage.get("pod", f"{NAME}-postgres-0")
        assert pod is not None
        node = pod["spec"]["nodeName"]
        assert node.startswith(cluster), "a node of kind is a container of the same name"
        container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        if freeze:
            touched.append((node, container))
        run(_ctr_tasks(node, "pause" if freeze else "resume", container))

    yield stop
    for node, container in touched:
        succeeds(_ctr_tasks(node, "resume", container))


def _ctr_tasks(node: str, verb: str, container: str) -> list[str]:
    return ["docker", "exec", node, "ctr", "-n", "k8s.io", "tasks", verb, container]


def test_database_away_for_everybody(
    zoo: Callable[[str], Cage], database_stopped: Callable[[Cage, bool], None]
) -> None:
    """Stable suffers as well, so nothing is held against the candidate; it is tried again when the database is back."""
    cage = zoo("BlueGreen")
    with cage.trial("database away for everybody", failed_percent=100) as trial:
        trial.misbehave("")
        cage.until_step("Witnesses")
        database_stopped(cage, True)
        hold = trial.until_withdrawn(available=False)
        database_stopped(cage, False)
        trial.until_promoted()
    assert hold["reason"] == "StableDisturbed"


def test_registry_down_for_two_minutes(zoo: Callable[[str], Cage], cluster: str) -> None:
    cage = zoo("BlueGreen")
    repository, _, tag = cage.good.rpartition("/")[2].partition(":")
    fresh = registry.push(cluster, f"{repository}:{tag}", repository, f"fresh-{uuid.uuid4().hex[:8]}")
    with cage.trial("registry down for 2 min") as trial:
        registry.stop(cluster)
        trial.edit(image=fresh)
        down_until = trial.timeline.now() + 120
        cage.until_true(lambda: trial.timeline.now() > down_until, "two minutes", 180)
        registry.heal(cluster)
        trial.until_promoted(2 * budgets.PROMOTED)
