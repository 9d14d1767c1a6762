"""What `make doctor` finds on machines of several kinds, and what `make demo` announces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dev.cluster.lifecycle.doctor import Machine, State, demo_plan, examine

LAPTOP = Machine(
    has=lambda name: True,
    root_with_apt=False,
    python=(3, 12),
    venv=True,
    docker_answers=lambda: True,
    kubeconfig=None,
    registry="",
    public_images=True,
    built=False,
    memory=16 * 2**30,
    disk=100 * 2**30,
    processors=8,
)
FRESH_DEBIAN = replace(
    LAPTOP,
    has=lambda name: False,
    root_with_apt=True,
    venv=False,
    docker_answers=lambda: False,
    public_images=None,
)


def states(machine: Machine) -> dict[str, State]:
    return {f.what: f.state for f in examine(machine)}


def test_a_laptop_with_docker_lacks_nothing() -> None:
    assert set(states(LAPTOP).values()) == {State.HAVE}


def test_on_a_fresh_debian_everything_needed_is_installed_or_made() -> None:
    found = states(FRESH_DEBIAN)
    assert (found["Python"], found["Docker"], found["images"]) == (State.WILL,) * 3
    assert State.LACK not in found.values()


@pytest.mark.parametrize(
    ("machine", "what"),
    [
        (replace(LAPTOP, python=(3, 10)), "Python"),
        (replace(FRESH_DEBIAN, python=(3, 9)), "Python"),
        (replace(LAPTOP, docker_answers=lambda: False), "Docker"),
        (replace(LAPTOP, public_images=False, has=lambda name: name != "go"), "images"),
        (replace(LAPTOP, memory=2**30), "memory"),
        (replace(LAPTOP, disk=2**30), "disk"),
        (replace(LAPTOP, kubeconfig=Path("/no/such/file"), registry="r"), "KUBECONFIG"),
        (replace(LAPTOP, kubeconfig=Path("/"), registry="r", has=lambda name: name != "kubectl"), "kubectl"),
        (replace(LAPTOP, kubeconfig=Path("/")), "registry"),
    ],
)
def test_what_only_a_person_can_do_is_missing_and_has_a_remedy(machine: Machine, what: str) -> None:
    lacking = [f for f in examine(machine) if f.state is State.LACK]
    assert [f.what for f in lacking] == [what]
    assert lacking[0].remedy


def test_remedies_are_for_what_is_missing_alone() -> None:
    for machine in (LAPTOP, FRESH_DEBIAN, replace(LAPTOP, has=lambda name: False)):
        assert all(bool(f.remedy) == (f.state is State.LACK) for f in examine(machine))


def test_docker_is_not_looked_for_beside_a_named_cluster() -> None:
    def must_not() -> bool:
        raise AssertionError("asked Docker")

    named = replace(LAPTOP, kubeconfig=Path("/"), registry="r", docker_answers=must_not)
    assert State.LACK not in states(named).values()


def test_the_demo_announces_where_and_how_long_without_asking_docker() -> None:
    """It has a second for it."""

    def must_not() -> bool:
        raise AssertionError("asked Docker")

    machine = replace(LAPTOP, docker_answers=must_not)
    assert "1 to 2 minutes" in demo_plan(machine, cluster_up=True)
    new = demo_plan(machine, cluster_up=False)
    assert "a new kind cluster (half a minute)" in new
    assert "2 to 3 minutes" in new
    assert "About 10 minutes" in demo_plan(replace(machine, public_images=None), cluster_up=False)
    assert "/kube" in demo_plan(replace(machine, kubeconfig=Path("/kube")), cluster_up=False)
    assert "Python" not in demo_plan(machine, cluster_up=False)
    assert "Python environment" in demo_plan(machine, cluster_up=False, environment=False)
