"""The evaluation cache, and beside it a Redis that counts limits and evicts nothing. Neither keeps anything on disk.

Releases before had one Redis for both, without a password. Revisions that were made by them go on with that one: it is made
for as long as such a revision is in use, exactly as it was made then.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from maraudersmap_operator.children import names
from maraudersmap_operator.children.network import backing_policy
from maraudersmap_operator.children.owner import Images, Manifest, Owner
from maraudersmap_operator.children.security import container_security, pod_security
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.spec import MaraudersMapSpec

REDIS_UID = 999  # of the official Debian-based image
REDIS_PORT = 6379
REDIS_PASSWORD_KEY = "password"  # noqa: S105 (the name of a key, not a secret)
CACHE_URL_KEY = "cache-url"
LIMITS_URL_KEY = "limits-url"
_PASSWORD_VARIABLE = "REDIS_PASSWORD"  # noqa: S105 (the name of a variable)
# A caller's window is some 100 bytes: half a million callers at a time. When it is full, each process counts by itself.
_LIMITS_MEGABYTES = 64

READ_BY_NEW_REVISIONS: Final = (Component.CACHE, Component.LIMITS)


@dataclass(frozen=True, slots=True)
class _Redis:
    """One of them. `protected`: it asks for the password."""

    name: str
    component: Component
    megabytes: int
    policy: str
    protected: bool = True


def evaluation_cache(
    owner: Owner,
    spec: MaraudersMapSpec,
    images: Images,
    read: Collection[str] = READ_BY_NEW_REVISIONS,
) -> tuple[Manifest, ...]:
    """Service, Deployment and network policy of each Redis that is `read`. Empty when the cache is external or disabled."""
    cache = spec.cache.run_here
    if cache is None:
        return ()
    size, unit = int(cache.max_memory[:-2]), cache.max_memory[-2:]
    megabytes = size * 1024 if unit == "Gi" else size
    objects: list[Manifest] = []
    for redis in (
        _Redis(names.open_cache(owner.name), Component.REDIS, megabytes, "allkeys-lru", protected=False),
        _Redis(names.cache(owner.name), Component.CACHE, megabytes, "allkeys-lru"),
        _Redis(names.limits(owner.name), Component.LIMITS, _LIMITS_MEGABYTES, "noeviction"),
    ):
        if redis.component in read:
            objects += [_service(owner, redis), _deployment(owner, redis, images)]
            if spec.network_policy.enabled:
                objects.append(backing_policy(owner, redis.name, redis.component, REDIS_PORT))
    return tuple(objects)


def cache_access(owner: Owner, password: str) -> Manifest:
    """The Secret that the API's pods and the Redis pods read."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": owner.metadata_for(names.cache_access(owner.name), component=Component.CACHE),
        "type": "Opaque",
        "stringData": {
            REDIS_PASSWORD_KEY: password,
            CACHE_URL_KEY: _url(owner, names.cache(owner.name), password),
            LIMITS_URL_KEY: _url(owner, names.limits(owner.name), password),
        },
    }


def open_cache_host(owner: Owner) -> str:
    """The host by which templates of earlier releases name their cache."""
    return f"{names.open_cache(owner.name)}.{owner.namespace}.svc"


def _url(owner: Owner, name: str, password: str) -> str:
    return f"redis://:{password}@{name}.{owner.namespace}.svc:{REDIS_PORT}/0"


def _service(owner: Owner, redis: _Redis) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata_for(redis.name, component=redis.component),
        "spec": {
            "type": "ClusterIP",
            "selector": owner.selector(redis.component),
            "ports": [{"name": "redis", "port": REDIS_PORT, "targetPort": "redis", "protocol": "TCP"}],
        },
    }


def _deployment(owner: Owner, redis: _Redis, images: Images) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata_for(redis.name, component=redis.component),
        "spec": {
            "replicas": 1,  # no one else scales it
            "selector": {"matchLabels": owner.selector(redis.component)},
            # Two at once would be two caches behind one name, each with its own counters.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 1,
            "template": {
                "metadata": {"labels": owner.labels(redis.component)},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 10,
                    "securityContext": pod_security(REDIS_UID),
                    "containers": [_container(owner, redis, images)],
                    "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "64Mi"}}],
                },
            },
        },
    }


def _container(owner: Owner, redis: _Redis, images: Images) -> Manifest:
    megabytes = redis.megabytes
    probe = {"tcpSocket": {"port": "redis"}, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3}
    container: Manifest = {
        "name": "redis",
        "image": images.redis,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "redis-server",
            *("--maxmemory", f"{megabytes}mb"),
            *("--maxmemory-policy", redis.policy),
            *("--save", ""),
            *("--appendonly", "no"),
            # Without a password Redis would refuse everybody but its own host.
            *(
                ("--requirepass", f"$({_PASSWORD_VARIABLE})")
                if redis.protected
                else ("--protected-mode", "no")
            ),
            *("--dir", "/data"),
        ],
        "ports": [{"name": "redis", "containerPort": REDIS_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            # Entries, their fragmentation, and the buffers of clients.
            "limits": {"cpu": "1", "memory": f"{megabytes + megabytes // 2 + 64}Mi"},
        },
        "readinessProbe": probe,
        "livenessProbe": probe | {"initialDelaySeconds": 10, "periodSeconds": 30},
        "securityContext": container_security(),
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    if redis.protected:
        reference = {"name": names.cache_access(owner.name), "key": REDIS_PASSWORD_KEY}
        container["env"] = [{"name": _PASSWORD_VARIABLE, "valueFrom": {"secretKeyRef": reference}}]
    return container
