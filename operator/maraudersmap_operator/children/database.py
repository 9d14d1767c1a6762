"""The evaluation database: one PostgreSQL pod, with a volume or, stated so, without one."""

from urllib.parse import quote

from maraudersmap_operator.children import names
from maraudersmap_operator.children.network import backing_policy
from maraudersmap_operator.children.owner import Images, Manifest, Owner
from maraudersmap_operator.children.security import container_security, pod_security
from maraudersmap_operator.resource.data import Retention, Storage
from maraudersmap_operator.resource.names import KEPT, Component
from maraudersmap_operator.resource.spec import MaraudersMapSpec

POSTGRES_UID = 999  # of the official Debian-based image
POSTGRES_PORT = 5432
PASSWORD_KEY = "password"  # noqa: S105 (the name of a key, not a secret)
_USER = "marauders"
_DATABASE = "marauders"
_MOUNT = "/var/lib/postgresql/data"
# Two revisions of 10 pods with 4 connections each, migrations, and room for a larger maxReplicas.
_MAX_CONNECTIONS = 200


def evaluation_objects(owner: Owner, spec: MaraudersMapSpec, images: Images) -> tuple[Manifest, ...]:
    """All but its Secret: Service, StatefulSet, network policy. Empty when the database is external."""
    if spec.database.evaluation is None:
        return ()
    objects = [_service(owner), _stateful_set(owner, spec.database.evaluation.storage, images)]
    if spec.network_policy.enabled:
        name = names.postgres(owner.name)
        objects.append(backing_policy(owner, name, Component.POSTGRES, POSTGRES_PORT))
    return tuple(objects)


def evaluation_secret(owner: Owner, spec: MaraudersMapSpec, password: str) -> Manifest:
    """The password, under key `password`; it shares the volume's fate, so a kept one has no owner reference.

    PostgreSQL takes the password only when it makes its data directory: a new one would not open old data.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": owner.metadata_for(
            names.postgres(owner.name),
            component=Component.POSTGRES,
            annotations=KEPT if keeps_data(spec) else None,
            controlled=not keeps_data(spec),
        ),
        "type": "Opaque",
        "stringData": {PASSWORD_KEY: password},
    }


def evaluation_url(owner: Owner, password: str) -> str:
    """The URL under which the API reaches the evaluation database."""
    host = f"{names.postgres(owner.name)}.{owner.namespace}.svc"
    return f"postgresql://{_USER}:{quote(password, safe='')}@{host}:{POSTGRES_PORT}/{_DATABASE}"


def keeps_data(spec: MaraudersMapSpec) -> bool:
    """Whether the evaluation database's volume and password outlive the resource."""
    evaluation = spec.database.evaluation
    storage = evaluation.storage if evaluation is not None else None
    return storage is not None and storage.retention is Retention.RETAIN


def _service(owner: Owner) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata_for(names.postgres(owner.name), component=Component.POSTGRES),
        "spec": {
            "type": "ClusterIP",
            "selector": owner.selector(Component.POSTGRES),
            "ports": [
                {
                    "name": "postgres",
                    "port": POSTGRES_PORT,
                    "targetPort": "postgres",
                    "protocol": "TCP",
                }
            ],
        },
    }


def _stateful_set(owner: Owner, storage: Storage | None, images: Images) -> Manifest:
    body: Manifest = {
        "replicas": 1,  # no one else scales it
        "serviceName": names.postgres(owner.name),
        "selector": {"matchLabels": owner.selector(Component.POSTGRES)},
        "template": {
            "metadata": {"labels": owner.labels(Component.POSTGRES)},
            "spec": _pod(owner, storage, images),
        },
    }
    if storage is not None:
        retention = storage.retention.value
        body["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": retention, "whenScaled": "Retain"}
        body["volumeClaimTemplates"] = [_claim(owner, storage)]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": owner.metadata_for(names.postgres(owner.name), component=Component.POSTGRES),
        "spec": body,
    }


def _pod(owner: Owner, storage: Storage | None, images: Images) -> Manifest:
    volumes: list[Manifest] = [
        {"name": "run", "emptyDir": {"sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if storage is None:
        volumes.append({"name": "data", "emptyDir": {"sizeLimit": "4Gi"}})
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": pod_security(POSTGRES_UID),
        "containers": [_container(owner, images)],
        "volumes": volumes,
    }


def _container(owner: Owner, images: Images) -> Manifest:
    password = {"secretKeyRef": {"name": names.postgres(owner.name), "key": PASSWORD_KEY}}
    # Over TCP: while the image's start script makes the data directory, only the socket is answered.
    ready = ["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(POSTGRES_PORT), "-U", _USER, "-d", _DATABASE]
    return {
        "name": "postgres",
        "image": images.postgres,
        "imagePullPolicy": "IfNotPresent",
        "args": ["postgres", "-c", f"max_connections={_MAX_CONNECTIONS}"],
        "ports": [{"name": "postgres", "containerPort": POSTGRES_PORT, "protocol": "TCP"}],
        "env": [
            {"name": "PGDATA", "value": f"{_MOUNT}/pgdata"},  # a volume's root may hold lost+found
            {"name": "POSTGRES_DB", "value": _DATABASE},
            {"name": "POSTGRES_PASSWORD", "valueFrom": password},
            {"name": "POSTGRES_USER", "value": _USER},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "2", "memory": "1Gi"},
        },
        "startupProbe": {
            "exec": {"command": ready},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 300,
        },
        "readinessProbe": {
            "exec": {"command": ready},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            "exec": {"command": ready},
            "periodSeconds": 30,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "data", "mountPath": _MOUNT},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (an emptyDir of the pod)
        ],
    }


def _claim(owner: Owner, storage: Storage) -> Manifest:
    body: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.storage_class_name is not None:
        body["storageClassName"] = storage.storage_class_name
    metadata: Manifest = {"name": "data", "labels": owner.selector(Component.POSTGRES)}
    if storage.retention is Retention.RETAIN:
        metadata["annotations"] = dict(KEPT)
    return {"metadata": metadata, "spec": body}
