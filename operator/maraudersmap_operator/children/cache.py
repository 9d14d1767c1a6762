"""The evaluation cache: one Redis pod that keeps nothing on disk."""

from maraudersmap_operator.children import names
from maraudersmap_operator.children.network import backing_policy
from maraudersmap_operator.children.owner import Images, Manifest, Owner
from maraudersmap_operator.children.security import container_security, pod_security
from maraudersmap_operator.resource.data import EvaluationCache
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.spec import MaraudersMapSpec

REDIS_UID = 999  # of the official Debian-based image
REDIS_PORT = 6379


def evaluation_cache(owner: Owner, spec: MaraudersMapSpec, images: Images) -> tuple[Manifest, ...]:
    """Service, Deployment and network policy. Empty when the cache is external or disabled."""
    cache = spec.cache.run_here
    if cache is None:
        return ()
    objects = [_service(owner), _deployment(owner, cache, images)]
    if spec.network_policy.enabled:
        name = names.redis(owner.name)
        objects.append(backing_policy(owner, name, Component.REDIS, REDIS_PORT))
    return tuple(objects)


def evaluation_cache_url(owner: Owner) -> str:
    """The URL under which the API reaches the evaluation cache. No password: the network policy guards it."""
    return f"redis://{names.redis(owner.name)}.{owner.namespace}.svc:{REDIS_PORT}/0"


def _service(owner: Owner) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata_for(names.redis(owner.name), component=Component.REDIS),
        "spec": {
            "type": "ClusterIP",
            "selector": owner.selector(Component.REDIS),
            "ports": [{"name": "redis", "port": REDIS_PORT, "targetPort": "redis", "protocol": "TCP"}],
        },
    }


def _deployment(owner: Owner, cache: EvaluationCache, images: Images) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata_for(names.redis(owner.name), component=Component.REDIS),
        "spec": {
            "replicas": 1,  # nobody else scales it
            "selector": {"matchLabels": owner.selector(Component.REDIS)},
            # Two at once would be two caches behind one name, each with its own counters.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 1,
            "template": {
                "metadata": {"labels": owner.labels(Component.REDIS)},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 10,
                    "securityContext": pod_security(REDIS_UID),
                    "containers": [_container(cache, images)],
                    "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "64Mi"}}],
                },
            },
        },
    }


def _container(cache: EvaluationCache, images: Images) -> Manifest:
    size, unit = int(cache.max_memory[:-2]), cache.max_memory[-2:]
    megabytes = size * 1024 if unit == "Gi" else size
    probe = {"tcpSocket": {"port": "redis"}, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3}
    return {
        "name": "redis",
        "image": images.redis,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "redis-server",
            *("--maxmemory", f"{megabytes}mb"),
            *("--maxmemory-policy", "allkeys-lru"),
            *("--save", ""),
            *("--appendonly", "no"),
            # Without a password Redis would refuse everybody but its own host.
            *("--protected-mode", "no"),
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
