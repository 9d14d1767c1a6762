"""The autoscaler of the serving revision."""

from maraudersmap_operator.children import names
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.spec import MaraudersMapSpec


def autoscaler(
    owner: Owner, spec: MaraudersMapSpec, target_revision: str | None, least: int = 0, held: bool = False
) -> Manifest | None:
    """HorizontalPodAutoscaler on the revision (CPU in % of the request); None when off or nothing serves.

    Its name never changes: retargeted, it keeps its history of recommendations. `least`: pods that it never goes below,
    beside the spec's minimum. `held`: it moves nothing, because an exchange of revisions decides about pods.
    """
    scaling = spec.autoscaling
    if not scaling.enabled or target_revision is None:
        return None
    body: Manifest = {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": names.deployment(owner.name, target_revision),
        },
        # While held, the target may have any number of pods: a bound would move it, whatever `behavior` has to say.
        "minReplicas": 1 if held else min(max(scaling.min_replicas, least), scaling.max_replicas),
        "maxReplicas": max(scaling.max_replicas, least) if held else scaling.max_replicas,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {
                        "type": "Utilization",
                        "averageUtilization": scaling.target_cpu_utilization_percentage,
                    },
                },
            }
        ],
    }
    if held:
        body["behavior"] = {side: {"selectPolicy": "Disabled"} for side in ("scaleUp", "scaleDown")}
    elif scaling.behavior is not None:
        behavior = scaling.behavior.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if behavior:
            body["behavior"] = behavior
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": owner.metadata_for(names.autoscaler(owner.name), component=Component.API),
        "spec": body,
    }
