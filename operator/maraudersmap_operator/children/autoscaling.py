"""The autoscaler of the serving revision."""

from maraudersmap_operator.children import names
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.spec import MaraudersMapSpec


def autoscaler(owner: Owner, spec: MaraudersMapSpec, target_revision: str | None) -> Manifest | None:
    """HorizontalPodAutoscaler on the revision (CPU in % of the request); None when off or nothing serves.

    Its name never changes: retargeted, it keeps its history of recommendations.
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
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
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
    if scaling.behavior is not None:
        behavior = scaling.behavior.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if behavior:
            body["behavior"] = behavior
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": owner.metadata_for(names.autoscaler(owner.name), component=Component.API),
        "spec": body,
    }
