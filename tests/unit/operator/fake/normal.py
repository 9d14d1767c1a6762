"""The stored form of an object: empty values dropped, quantities canonical, defaults filled in. In place."""

from __future__ import annotations

import base64
from typing import Any

from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    HTTP_ROUTE,
    JOB,
    MARAUDERSMAP,
    MONITORING,
    NETWORK_POLICY,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)

from .pod_defaults import pod_defaults
from .quantities import canonical

Manifest = dict[str, Any]

# Go's `omitempty`: a map of these names, any list and any string that is empty is not written.
_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "selector", "limits", "requests"})
_MAPS |= {"data", "binaryData", "stringData"}
_FALSE = frozenset(
    [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "readOnly",
        "tty",
        "stdin",
        "paused",
        "publishNotReadyAddresses",
        "privateKey",
    ]
)
_ZERO = frozenset(["minReadySeconds", "initialDelaySeconds"])
_KEPT_STRINGS = frozenset(["message", "reason", "port", "targetPort"])
_CUSTOM = (MARAUDERSMAP, HTTP_ROUTE, *MONITORING)


def normalise(kind: Kind, obj: Manifest) -> None:
    """Everything but what only the server can know: addresses, ports, generated names."""
    if kind in _CUSTOM:
        _drop_empty_metadata(obj["metadata"])
        return
    # The data of a record is nobody's to interpret.
    free = obj.pop("data", None) if kind.kind in ("ControllerRevision", "ConfigMap", "Secret") else None
    _tidy(obj)
    if free:
        obj["data"] = free
    match kind:
        case _ if kind is SERVICE:
            _service(obj["spec"])
        case _ if kind in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, JOB):
            _workload(kind, obj["spec"])
        case _ if kind is POD:
            pod_defaults(obj["spec"], template=False)
            obj.setdefault("status", {}).setdefault("phase", "Pending")
        case _ if kind is AUTOSCALER:
            _autoscaler(obj["spec"])
        case _ if kind is NETWORK_POLICY:
            _network_policy(obj["spec"])
        case _ if kind is SECRET:
            for key, text in (obj.pop("stringData", None) or {}).items():
                obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
            obj.setdefault("type", "Opaque")


def _drop_empty_metadata(meta: Manifest) -> None:
    for part in ("labels", "annotations", "ownerReferences", "finalizers"):
        if part in meta and not meta[part]:
            del meta[part]


def _tidy(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _tidy(item)
        return
    if not isinstance(value, dict):
        return
    for key, item in list(value.items()):
        _tidy(item)
        if key in ("requests", "limits", "hard") and isinstance(item, dict):
            value[key] = item = {k: canonical(v) for k, v in item.items()}
        elif key == "sizeLimit":
            value[key] = item = canonical(item)
        empty = (
            item is None
            or item == []
            or (item == {} and key in _MAPS)
            or (item == "" and key not in _KEPT_STRINGS)
            or (item is False and key in _FALSE)
            or (item == 0 and item is not False and key in _ZERO)
        )
        if empty:
            del value[key]


def _service(spec: Manifest) -> None:
    kind = spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
        if port["targetPort"] in ("", 0):
            port["targetPort"] = port.get("port")
    if kind == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _workload(kind: Kind, spec: Manifest) -> None:
    pod_defaults(spec.setdefault("template", {}).setdefault("spec", {}), template=True)
    spec["template"].setdefault("metadata", {}).pop("creationTimestamp", None)
    if kind is JOB:
        spec.setdefault("completions", 1)
        spec.setdefault("parallelism", 1)
        spec.setdefault("backoffLimit", 6)
        spec.setdefault("completionMode", "NonIndexed")
        spec.setdefault("manualSelector", False)
        spec.setdefault("suspend", False)
        spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
        return
    spec.setdefault("replicas", 1)
    if kind is DEPLOYMENT:
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        strategy = spec.setdefault("strategy", {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxSurge", "25%")
            rolling.setdefault("maxUnavailable", "25%")
    elif kind is STATEFUL_SET:
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("podManagementPolicy", "OrderedReady")
        update = spec.setdefault("updateStrategy", {})
        if update.setdefault("type", "RollingUpdate") == "RollingUpdate":
            update.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        retention.setdefault("whenDeleted", "Retain")
        retention.setdefault("whenScaled", "Retain")
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            claim["spec"].setdefault("volumeMode", "Filesystem")
            wanted = claim["spec"].get("resources", {}).get("requests", {})
            wanted.update({k: canonical(v) for k, v in wanted.items()})
            claim["status"] = {"phase": "Pending"}


def _autoscaler(spec: Manifest) -> None:
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is None:
        return
    hundred = {"type": "Percent", "value": 100, "periodSeconds": 15}
    up, down = behavior.setdefault("scaleUp", {}), behavior.setdefault("scaleDown", {})
    up.setdefault("stabilizationWindowSeconds", 0)
    up.setdefault("policies", [{"type": "Pods", "value": 4, "periodSeconds": 15}, dict(hundred)])
    down.setdefault("policies", [dict(hundred)])
    for side in (up, down):
        side.setdefault("selectPolicy", "Max")


def _network_policy(spec: Manifest) -> None:
    if "policyTypes" not in spec:
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
