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
