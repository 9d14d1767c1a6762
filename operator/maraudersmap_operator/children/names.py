"""Names of children: each has one function here, and none is built elsewhere.

`name` is the resource's, at most 40 characters; `revision` is a hash of 8. The longest, a migrations Job, then
leaves room for an attempt of 4 digits within the 63 characters of a label value.
"""


def deployment(name: str, revision: str) -> str:
    return f"{name}-api-{revision}"


def service(name: str) -> str:
    """The Service that users' requests go through."""
    return f"{name}-api"


def preview_service(name: str) -> str:
    """The Service that reaches a candidate before users do."""
    return f"{name}-api-preview"


def autoscaler(name: str) -> str:
    return f"{name}-api-hpa"


def service_account(name: str) -> str:
    return f"{name}-api"


def disruption_budget(name: str) -> str:
    return f"{name}-api"


def network_policy(name: str) -> str:
    return f"{name}-api"


def ingress(name: str) -> str:
    return f"{name}-api"


def http_route(name: str) -> str:
    return f"{name}-api"


def pod_monitor(name: str) -> str:
    return f"{name}-api"


def prometheus_rule(name: str) -> str:
    return f"{name}-api"


def dashboard(name: str, digest: str) -> str:
    """The ConfigMap of the Grafana dashboard; `digest` is that of its content."""
    return f"{name}-dashboard-{digest}"


def is_dashboard(name: str, config_map: str) -> bool:
    """Whether a ConfigMap of the resource of that name is a dashboard, whatever its content."""
    return config_map.startswith(dashboard(name, ""))


def application_secret(name: str) -> str:
    """The Secret with the generated values: keys `database-url` and `jwt-secret`."""
    return f"{name}-secrets"


def controller_revision(name: str, revision: str) -> str:
    return f"{name}-{revision}"


def migration_job(name: str, revision: str, attempt: int) -> str:
    return f"{name}-migrate-{revision}-{attempt}"


def migrated_revision(job: str) -> str:
    """The revision that a migrations Job of that name is of; empty for a name of another kind."""
    start, _, attempt = job.rpartition("-")
    before, _, revision = start.rpartition("-")
    return revision if before.endswith("-migrate") and attempt.isdecimal() else ""


def config_map_copy(name: str, digest: str) -> str:
    """An immutable copy of a user's ConfigMap; `digest` is that of its content."""
    return f"{name}-config-{digest}"


def is_config_map_copy(name: str, config_map: str) -> bool:
    """Whether a ConfigMap of that name is a copy that a resource makes, whatever its content."""
    return config_map.startswith(config_map_copy(name, ""))


def postgres(name: str) -> str:
    """StatefulSet, Service, Secret and network policy of the evaluation database."""
    return f"{name}-postgres"


def cache(name: str) -> str:
    """Deployment, Service and network policy of the evaluation cache."""
    return f"{name}-cache"


def limits(name: str) -> str:
    """Deployment, Service and network policy of the Redis in which evaluation counts limits."""
    return f"{name}-limits"


def open_cache(name: str) -> str:
    """Deployment, Service and network policy of the evaluation cache of releases that gave it no password."""
    return f"{name}-redis"


def cache_access(name: str) -> str:
    """The Secret with the password of cache and limits, and their URLs."""
    return f"{name}-cache-access"
