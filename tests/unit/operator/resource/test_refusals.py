"""A wrong resource is refused with the field and what to write instead; tests/cluster asks the API server the same."""

from typing import Any

import pytest
from tests.unit.operator.resource.refusals import GOOD_SPEC, REFUSALS, Refusal, merged

from maraudersmap_operator.resource import InvalidResource, parse


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.title.replace(" ", "-"))
def test_a_wrong_resource_is_refused_with_the_remedy(case: Refusal) -> None:
    manifest = merged(case.manifest, {"metadata": {"namespace": "demo"}})
    try:
        words = parse(manifest).not_understood
    except InvalidResource as error:
        words = str(error)
    assert case.parse_says in words


def test_a_good_resource_is_read_as_it_is() -> None:
    """What the API server adds around it is no reason to refuse it."""
    resource = parse(
        {
            "apiVersion": "hogwarts.edu/v1alpha1",
            "kind": "MaraudersMap",
            "metadata": {
                "name": "marauders-map",
                "namespace": "demo",
                "uid": "u-1",
                "generation": 7,
                "resourceVersion": "42",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "deletionTimestamp": "2026-01-02T00:00:00Z",
                "managedFields": [{"manager": "kubectl"}],
                "annotations": {"hogwarts.edu/retry": "1"},
            },
            "spec": GOOD_SPEC,
            "status": {"observedGeneration": 6, "fromTheFuture": True},
        }
    )
    assert (resource.name, resource.namespace, resource.uid) == ("marauders-map", "demo", "u-1")
    assert resource.generation == 7
    assert resource.annotations == {"hogwarts.edu/retry": "1"}
    assert resource.status.observed_generation == 6


def test_a_spec_cannot_be_changed_once_read() -> None:
    spec = parse({"metadata": {"name": "m", "namespace": "demo"}, "spec": GOOD_SPEC}).spec
    with pytest.raises(ValueError, match="frozen"):
        spec.rollout.max_failures = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    "written_out",
    [
        {"replicas": 3, "rollout": {"maxFailures": 3}},
        {"cache": {"disabled": False}},
        {"cache": {"evaluation": {}}},
        {"cache": {"evaluation": {"maxMemory": "256Mi"}, "disabled": False}},
        {"resources": {"limits": {"cpu": 1}}},
        {"config": {"env": [], "rateLimits": {"anonymous": 100}}, "podTemplate": {}},
    ],
)
def test_a_default_written_out_reads_the_same_as_left_out(written_out: dict[str, Any]) -> None:
    """The API server stores defaults written out; and it must make no revision of its own."""
    spec = parse({"metadata": {"name": "m", "namespace": "demo"}, "spec": GOOD_SPEC | written_out}).spec
    assert spec.sparse() == GOOD_SPEC


@pytest.mark.parametrize(
    "status",
    [
        {"stable": {"revision": "abcdefgh", "image": "map:1", "since": "2026-01-01T00:00:00Z"}},
        {
            "stable": {
                "revision": "abcdefgh",
                "image": {"digest": "sha256:1"},
                "since": "2026-01-01T00:00:00Z",
            }
        },
    ],
    ids=["known", "of a newer operator"],
)
def test_what_runs_is_protected_whatever_its_spec_is(status: dict[str, Any]) -> None:
    """More fields than a newer release may bring."""
    spec = GOOD_SPEC | {f"spell{number}": "enchanted" for number in range(100)}
    manifest = {"metadata": {"name": "map", "namespace": "demo"}, "spec": spec, "status": status}
    # when
    resource = parse(manifest)
    # then
    assert resource.not_understood == (
        "spec: is of another version of the resource: upgrade the operator. Until then what runs is kept and protected, and "
        "nothing new is started"
    )
    assert {"image", "replicas", "gateway", "database"} <= resource.unknown


def test_a_spec_of_another_kind_of_object_is_refused_while_nothing_runs() -> None:
    spec = GOOD_SPEC | {f"spell{number}": "enchanted" for number in range(100)}
    with pytest.raises(InvalidResource, match="is of another version of the resource"):
        parse({"metadata": {"name": "map", "namespace": "demo"}, "spec": spec})
