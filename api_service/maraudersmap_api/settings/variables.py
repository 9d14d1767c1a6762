"""Every variable that the service reads: its name, default and meaning, and how its value is read.

The table in docs/api-configuration.md is generated from here (`make variables`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from . import values
from .values import Dependency, LogLevel, Pooler

T = TypeVar("T")


@dataclass(frozen=True)
class Variable(Generic[T]):
    """`meaning` and `shown`, the default in words where its value does not say enough, are Markdown.

    `required`: what to set it to; empty when it may be left out.
    """

    name: str
    default: T
    parse: Callable[[str], T]
    meaning: str
    shown: str = ""
    required: str = ""


DATABASE_URL = Variable(
    "DATABASE_URL",
    "",
    values.database_url,
    f"`{values.DATABASE_EXAMPLE}`",
    required=values.DATABASE_EXAMPLE,
)
JWT_SECRET = Variable(
    "JWT_SECRET",
    "",
    values.secret,
    f"signs access tokens; at least {values.MIN_SECRET_BYTES} bytes",
    required=f"at least {values.MIN_SECRET_BYTES} random bytes",
)
JWT_VERIFY_SECRETS = Variable[tuple[str, ...]](
    "JWT_VERIFY_SECRETS",
    (),
    values.secrets,
    "comma list of further keys that verify. To change the key: put the new one here on all pods, then swap the two, then "
    "drop the old one after 15 minutes",
)
REDIS_URL = Variable[str | None](
    "REDIS_URL",
    None,
    values.redis_url,
    "`redis://`, `rediss://` or `unix://`; none: cache disabled, limits counted in each process",
)
LIMITS_REDIS_URL = Variable[str | None](
    "LIMITS_REDIS_URL",
    None,
    values.redis_url,
    "the Redis in which rate limits and failed logins are counted: an instance of its own with `maxmemory-policy noeviction`"
    ", so that nothing evicts them. Another database number of the cache's instance is the same instance",
    shown="`REDIS_URL`, with a warning at start",
)
REDIS_PREFIX = Variable[str | None](
    "REDIS_PREFIX",
    None,
    values.prefix,
    "begins the names of all keys and channels, so that several installations can share a Redis "
    "([below](#several-installations-on-one-redis))",
    shown="derived from host, port and name of the database",
)
HOST = Variable[str | None](
    "HOST",
    None,
    str,
    "address to listen on; all interfaces, and `::`, mean IPv6 and IPv4 on one port",
    shown="all interfaces",
)
PORT = Variable("PORT", 4001, values.integer(0, 65535), "port to listen on")
METRICS_PORT = Variable[int | None](
    "METRICS_PORT",
    None,
    values.integer(0, 65535),
    "`/metrics` there and not on `PORT`, and a `/health/ready` that gives reasons ([more](api-lifecycle.md#health)). Not "
    "with `--workers`, and not beneath the operator, whose analysis reads `/metrics` on `PORT` "
    "([why](decisions/0011-metrics-are-read-where-users-are-served.md))",
)
ENVIRONMENT = Variable(
    "ENVIRONMENT",
    "production",
    str,
    "appears in each log line; `development` writes readable colour instead of JSON",
)
LOG_LEVEL = Variable(
    "LOG_LEVEL", LogLevel.INFO, values.log_level, ", ".join(f"`{level}`" for level in LogLevel)
)
LOG_DIR = Variable[Path | None](
    "LOG_DIR",
    None,
    values.writable_folder,
    "a folder for `combined.log` and `error.log` (errors only) beside standard output, as JSON lines, 10 MiB each and five "
    "older ones. A folder that cannot be written is a wrong configuration. Not with `--workers`",
)
HSTS_INCLUDE_SUBDOMAINS = Variable(
    "HSTS_INCLUDE_SUBDOMAINS", False, values.flag, "adds `includeSubDomains` to `Strict-Transport-Security`"
)
HSTS_PRELOAD = Variable(
    "HSTS_PRELOAD", False, values.flag, "adds `preload` as well; needs `HSTS_INCLUDE_SUBDOMAINS`"
)
CORS_ORIGINS = Variable[tuple[str, ...]](
    "CORS_ORIGINS", (), values.origins, "comma list such as `https://marauders-map.hogwarts.edu`"
)
TRUSTED_PROXIES = Variable(
    "TRUSTED_PROXIES",
    0,
    values.integer(0, 16),
    "how many proxies in front append to `X-Forwarded-For`. With an ingress in front and 0, all anonymous clients share one "
    "allowance",
)
RATE_LIMIT_ANONYMOUS = Variable(
    "RATE_LIMIT_ANONYMOUS", 100, values.integer(1, 10**9), "requests of one address in a window"
)
RATE_LIMIT_AUTHENTICATED = Variable(
    "RATE_LIMIT_AUTHENTICATED", 1000, values.integer(1, 10**9), "requests of one user in a window"
)
RATE_LIMIT_WINDOW_SECONDS = Variable(
    "RATE_LIMIT_WINDOW_SECONDS",
    900,
    values.integer(1, 86_400),
    "the window starts with a caller's first request",
)
DB_POOL_SIZE = Variable(
    "DB_POOL_SIZE",
    4,
    values.integer(1, 100),
    "connections a pod may open: two revisions of ten pods stay under PostgreSQL's 100",
)
DATABASE_POOLER = Variable(
    "DATABASE_POOLER",
    Pooler.AUTO,
    values.pooler,
    "`transaction` behind a pooler that lends a server for one transaction at a time (pgbouncer with `pool_mode = "
    "transaction`), `none` without one; "
    "`auto` finds out with the first connection. See [resilience](api-resilience.md#behind-a-pooler)",
)
DATABASE_STATEMENT_CACHE = Variable[int | None](
    "DATABASE_STATEMENT_CACHE",
    None,
    values.integer(0, 10_000),
    "statements that each connection keeps prepared. Behind pgbouncer 1.21 or newer with `max_prepared_statements` it may be "
    "more than 0",
    shown="100; 0 behind a pooler",
)
DRAIN_SECONDS = Variable(
    "DRAIN_SECONDS", 5.0, values.seconds(0, 300), "how long to go on serving after SIGTERM"
)
CONNECTION_MAX_AGE_SECONDS = Variable(
    "CONNECTION_MAX_AGE_SECONDS",
    60.0,
    values.seconds(1, 86_400),
    "an older connection ends with its next answer, so traffic follows a switch",
)
READINESS_REQUIRES = Variable(
    "READINESS_REQUIRES",
    frozenset({Dependency.DATABASE}),
    values.dependencies,
    "comma list of " + ", ".join(f"`{dependency}`" for dependency in Dependency),
)
# The library's own default is to export; ours is not to, until somebody names the exporter.
OTEL_TRACES_EXPORTER = Variable(
    "OTEL_TRACES_EXPORTER", "none", values.exporter, "`otlp` exports traces ([below](#traces))"
)
OTEL_SDK_DISABLED = Variable(
    "OTEL_SDK_DISABLED", False, values.flag, "`true`: no traces, whatever else is set"
)
OTEL_EXPORTER_OTLP_PROTOCOL = Variable(
    "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", values.protocol, "nothing else is supported"
)
OTEL_EXPORTER_OTLP_TRACES_PROTOCOL = Variable(
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", values.protocol, "nothing else is supported"
)

VARIABLES: tuple[Variable[Any], ...] = tuple(v for v in list(globals().values()) if isinstance(v, Variable))
