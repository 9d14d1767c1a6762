"""The Job that brings the schema up to a revision."""

from copy import deepcopy

from maraudersmap_operator.children import names
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import LABEL_REVISION, Component
from maraudersmap_operator.resource.spec import MaraudersMapSpec

# What a container that runs to its end does not have.
_SERVING_ONLY = ("ports", "startupProbe", "livenessProbe", "readinessProbe")


def job(owner: Owner, spec: MaraudersMapSpec, revision: str, attempt: int, template: Manifest) -> Manifest:
    """Migrations of a revision, with the image, environment and placement of its pods (`template`).

    One pod, no retry inside: its exit code decides what comes next, and the attempts are the rollout's to count.
    The Job is kept after it ended, because its outcome is read from it.
    """
    labels = {LABEL_REVISION: revision}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata_for(
            names.migration_job(owner.name, revision, attempt), component=Component.MIGRATIONS, labels=labels
        ),
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": spec.migrations.timeout_seconds,
            "template": _pod_template(owner, template, labels),
        },
    }


def _pod_template(owner: Owner, template: Manifest, labels: dict[str, str]) -> Manifest:
    pod: Manifest = deepcopy(template["spec"])
    pod["restartPolicy"] = "Never"
    pod.pop("topologySpreadConstraints", None)
    for container in pod["containers"]:
        for field in _SERVING_ONLY:
            container.pop(field, None)
        container["name"] = "migrate"
        container["args"] = ["migrate"]
    metadata: Manifest = {
        "labels": template["metadata"]["labels"] | owner.labels(Component.MIGRATIONS) | labels,
    }
    if annotations := template["metadata"].get("annotations"):
        metadata["annotations"] = dict(annotations)
    return {"metadata": metadata, "spec": pod}
