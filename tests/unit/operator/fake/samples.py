"""Small objects for the contract, and the form in which the API server stores them."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster.kinds import Kind

Manifest = dict[str, Any]
PORT = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
IMAGE = "no-such-registry.invalid/map:1"


def _object(api_version: str, kind: str, namespace: str, name: str, **body: Any) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        **body,
    }


def config_map(namespace: str, name: str, *, immutable: bool = False) -> Manifest:
    extra = {"immutable": True} if immutable else {}
    return _object("v1", "ConfigMap", namespace, name, data={"a": "b"}, **extra)


def secret(namespace: str, name: str) -> Manifest:
    return _object("v1", "Secret", namespace, name, stringData={"a": "b"})


def service_account(namespace: str, name: str) -> Manifest:
    return _object("v1", "ServiceAccount", namespace, name)


def service(namespace: str, name: str, *, kind: str = "ClusterIP") -> Manifest:
    spec = {"type": kind, "selector": {"app": name}, "ports": [dict(PORT)]}
    return _object("v1", "Service", namespace, name, spec=spec)


def deployment(namespace: str, name: str, *, replicas: int | None = 0) -> Manifest:
    spec: Manifest = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {
                "containers": [{"name": "api", "image": IMAGE, "env": [{"name": "A", "value": "1"}]}],
            },
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return _object("apps/v1", "Deployment", namespace, name, spec=spec)


def stateful_set(namespace: str, name: str, *, replicas: int = 0) -> Manifest:
    spec = deployment(namespace, name, replicas=replicas)["spec"] | {"serviceName": name}
    return _object("apps/v1", "StatefulSet", namespace, name, spec=spec)


def job(namespace: str, name: str, *, suspend: bool = False) -> Manifest:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": IMAGE}]},
    }
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": 60, "suspend": suspend, "template": template}
    return _object("batch/v1", "Job", namespace, name, spec=spec)


def controller_revision(namespace: str, name: str) -> Manifest:
    data = {"image": IMAGE, "template": {"empty": "", "none": [], "labels": {}}}
    return _object("apps/v1", "ControllerRevision", namespace, name, revision=1, data=data)


def autoscaler(namespace: str, name: str) -> Manifest:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name, spec=spec)


def disruption_budget(namespace: str, name: str) -> Manifest:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}
    return _object("policy/v1", "PodDisruptionBudget", namespace, name, spec=spec)


def network_policy(namespace: str, name: str) -> Manifest:
    spec = {"podSelector": {"matchLabels": {"app": name}}, "ingress": [{"ports": [{"port": "http"}]}]}
    return _object("networking.k8s.io/v1", "NetworkPolicy", namespace, name, spec=spec)


def ingress(namespace: str, name: str) -> Manifest:
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rules = [{"host": f"{name}.hogwarts.example", "http": {"paths": [path]}}]
    return _object("networking.k8s.io/v1", "Ingress", namespace, name, spec={"rules": rules})


def resource(kind: Kind, namespace: str, name: str) -> Manifest:
    spec = {"image": IMAGE, "database": {"evaluation": {}}, "cache": {"disabled": True}}
    return _object(kind.api_version, kind.kind, namespace, name, spec=spec)


def reference(owner: Manifest) -> Manifest:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


# --- stored forms -----------------------------------------------------------------------------------------------------
_CONTAINER_STORED = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
}
_POD_STORED = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "securityContext": {},
}
_PROBE_STORED = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_SERVICE_STORED = {
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
}


def stored_forms(namespace: str) -> list[tuple[Manifest, Manifest]]:
    """Pairs: what is sent; everything but metadata, status and allocated addresses, as it is stored."""
    return [
        *_services(namespace),
        _rich_deployment(namespace),
        _plain_stateful_set(namespace),
        *_autoscalers(namespace),
        _same(disruption_budget(namespace, "forms")),
        _policy(namespace),
        _same(ingress(namespace, "forms")),
        _record(namespace),
    ]


def _same(manifest: Manifest) -> tuple[Manifest, Manifest]:
    return manifest, {"spec": manifest["spec"]}


def _services(namespace: str) -> list[tuple[Manifest, Manifest]]:
    bare = service(namespace, "forms")
    bare["spec"] = {"selector": {"app": "forms"}, "ports": [{"name": "http", "port": 80}]}
    stored = _SERVICE_STORED | {
        "type": "ClusterIP",
        "selector": {"app": "forms"},
        "ports": [{"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"}],
    }
    found: list[tuple[Manifest, Manifest]] = [(bare, {"spec": stored})]
    for kind in ("NodePort", "LoadBalancer"):
        extra: Manifest = {"type": kind, "externalTrafficPolicy": "Cluster", "ports": [PORT]}
        if kind == "LoadBalancer":
            extra["allocateLoadBalancerNodePorts"] = True
        found.append((service(namespace, "forms", kind=kind), {"spec": stored | extra}))
    return found


def _rich_deployment(namespace: str) -> tuple[Manifest, Manifest]:
    sent = deployment(namespace, "forms", replicas=None)
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    sent["spec"]["template"]["spec"] = {
        "serviceAccountName": "someone",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "1024Mi"}},
            {"name": "secret", "secret": {"secretName": "x"}},
            {"name": "map", "configMap": {"name": "x"}},
        ],
        "nodeSelector": {},
        "tolerations": [],
        "containers": [
            {
                "name": "api",
                "image": "map",
                "env": [{"name": "EMPTY", "value": ""}, {"name": "POD", "valueFrom": field}],
                "ports": [{"name": "http", "containerPort": 4001}],
                "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "initialDelaySeconds": 0},
                "startupProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
            }
        ],
    }
    field_stored = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    container = _CONTAINER_STORED | {
        "name": "api",
        "image": "map",
        "imagePullPolicy": "Always",
        "env": [{"name": "EMPTY"}, {"name": "POD", "valueFrom": field_stored}],
        "ports": [{"name": "http", "containerPort": 4001, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
        "readinessProbe": _PROBE_STORED | {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}},
        "startupProbe": _PROBE_STORED | {"exec": {"command": ["true"]}, "periodSeconds": 1},
    }
    pod = _POD_STORED | {
        "serviceAccountName": "someone",
        "serviceAccount": "someone",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "secret", "secret": {"secretName": "x", "defaultMode": 420}},
            {"name": "map", "configMap": {"name": "x", "defaultMode": 420}},
        ],
        "containers": [container],
    }
    stored = {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
        },
        "selector": sent["spec"]["selector"],
        "template": {"metadata": {"labels": {"app": "forms"}}, "spec": pod},
    }
    return sent, {"spec": stored}


def _plain_stateful_set(namespace: str) -> tuple[Manifest, Manifest]:
    sent = stateful_set(namespace, "forms")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
    sent["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
    container = _CONTAINER_STORED | {
        "name": "api",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "A", "value": "1"}],
    }
    claim_stored = claim | {"resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"}
    stored = {
        "replicas": 0,
        "serviceName": "forms",
        "selector": sent["spec"]["selector"],
        "template": {
            "metadata": {"labels": {"app": "forms"}},
            "spec": _POD_STORED | {"containers": [container]},
        },
        "revisionHistoryLimit": 10,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "volumeClaimTemplates": [
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data"},
                "spec": claim_stored,
                "status": {"phase": "Pending"},
            }
        ],
    }
    return sent, {"spec": stored}


def _autoscalers(namespace: str) -> list[tuple[Manifest, Manifest]]:
    plain = autoscaler(namespace, "forms")
    del plain["spec"]["minReplicas"]
    target = {"type": "Utilization", "averageUtilization": 80}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    stored = plain["spec"] | {"minReplicas": 1, "metrics": metrics}
    held = autoscaler(namespace, "forms")
    held["spec"]["behavior"] = {side: {"selectPolicy": "Disabled"} for side in ("scaleUp", "scaleDown")}
    hundred = {"type": "Percent", "value": 100, "periodSeconds": 15}
    behavior = {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Disabled",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, hundred],
        },
        "scaleDown": {"selectPolicy": "Disabled", "policies": [hundred]},
    }
    return [(plain, {"spec": stored}), (held, {"spec": stored | {"behavior": behavior}})]


def _policy(namespace: str) -> tuple[Manifest, Manifest]:
    sent = network_policy(namespace, "forms")
    stored = sent["spec"] | {
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": "http", "protocol": "TCP"}]}],
    }
    return sent, {"spec": stored}


def _record(namespace: str) -> tuple[Manifest, Manifest]:
    sent = controller_revision(namespace, "forms")
    return sent, {"revision": 1, "data": sent["data"]}
