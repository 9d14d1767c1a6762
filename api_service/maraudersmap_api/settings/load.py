"""Settings from the environment.

Every variable may be given as `NAME` or as `NAME_FILE` (a path whose content is the value: how Kubernetes and
Docker hand over secrets). All problems are reported at once, each with the variable and the remedy; values are
never repeated in a message, because most of them are secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from . import variables
from .values import Dependency, LogLevel, Pooler
from .variables import Variable

T = TypeVar("T")


class SettingsError(Exception):
    """The environment cannot be used; `problems` has a sentence for each variable at fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests allowed to one caller in a window."""

    anonymous: int
    authenticated: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """All that the migrations need: where the database is."""

    url: str
    environment: str
    log_level: LogLevel


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server needs. Times are in seconds; None for `redis_url` means the cache is disabled.

    `limits_redis_url` None: limits are counted in the Redis of the cache, if there is one; `redis_prefix` None: derived.
    """

    database_url: str
    redis_url: str | None
    limits_redis_url: str | None
    redis_prefix: str | None
    jwt_secret: str
    jwt_verify_secrets: tuple[str, ...]
    host: str | None  # None: every interface, IPv6 and IPv4
    port: int
    metrics_port: int | None  # None: /metrics is where everything else is
    environment: str
    log_level: LogLevel
    log_dir: Path | None  # None: standard output only
    cors_origins: tuple[str, ...]
    hsts: str  # the header Strict-Transport-Security
    trusted_proxies: int
    rate_limits: RateLimits
    db_pool_size: int
    database_pooler: Pooler
    database_statement_cache: int | None  # statements a connection keeps prepared; None: as the pooler allows
    drain_seconds: float
    connection_max_age_seconds: float
    readiness_requires: frozenset[Dependency]
    traces: bool  # to the receiver that the standard variables OTEL_* name


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The server's settings. Raises SettingsError with every problem found."""
    env = _Reader(environ)
    settings = Settings(
        database_url=env.get(variables.DATABASE_URL),
        redis_url=env.get(variables.REDIS_URL),
        limits_redis_url=env.get(variables.LIMITS_REDIS_URL),
        redis_prefix=env.get(variables.REDIS_PREFIX),
        jwt_secret=env.get(variables.JWT_SECRET),
        jwt_verify_secrets=env.get(variables.JWT_VERIFY_SECRETS),
        host=env.get(variables.HOST),
        port=env.get(variables.PORT),
        metrics_port=env.get(variables.METRICS_PORT),
        environment=env.get(variables.ENVIRONMENT),
        log_level=env.get(variables.LOG_LEVEL),
        log_dir=env.get(variables.LOG_DIR),
        cors_origins=env.get(variables.CORS_ORIGINS),
        hsts=_hsts(env),
        trusted_proxies=env.get(variables.TRUSTED_PROXIES),
        rate_limits=RateLimits(
            anonymous=env.get(variables.RATE_LIMIT_ANONYMOUS),
            authenticated=env.get(variables.RATE_LIMIT_AUTHENTICATED),
            window_seconds=env.get(variables.RATE_LIMIT_WINDOW_SECONDS),
        ),
        db_pool_size=env.get(variables.DB_POOL_SIZE),
        database_pooler=env.get(variables.DATABASE_POOLER),
        database_statement_cache=env.get(variables.DATABASE_STATEMENT_CACHE),
        drain_seconds=env.get(variables.DRAIN_SECONDS),
        connection_max_age_seconds=env.get(variables.CONNECTION_MAX_AGE_SECONDS),
        readiness_requires=env.get(variables.READINESS_REQUIRES),
        traces=_traces(env),
    )
    if settings.metrics_port and settings.metrics_port == settings.port:
        env.refuse("METRICS_PORT is PORT: name another one, or leave it out to have /metrics on PORT")
    env.finish()
    return settings


def load_database_settings(environ: Mapping[str, str]) -> DatabaseSettings:
    """What `migrate` and `create-user` need; no JWT secret is asked for. Raises SettingsError."""
    env = _Reader(environ)
    settings = DatabaseSettings(
        url=env.get(variables.DATABASE_URL),
        environment=env.get(variables.ENVIRONMENT),
        log_level=env.get(variables.LOG_LEVEL),
    )
    env.finish()
    return settings


class _Reader:
    """Collects problems instead of stopping at the first, so that one restart is enough to fix them all."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def get(self, variable: Variable[T]) -> T:
        before = len(self._problems)
        value = self._raw(variable.name)
        if value:
            try:
                return variable.parse(value)
            except ValueError as problem:
                self._problems.append(f"{variable.name} {problem}")
        elif variable.required and len(self._problems) == before:
            name = variable.name
            self._problems.append(f"{name} is not set: set it, or {name}_FILE, to {variable.required}")
        return variable.default

    def refuse(self, problem: str) -> None:
        """What only several variables together show."""
        self._problems.append(problem)

    def finish(self) -> None:
        if self._problems:
            raise SettingsError(self._problems)

    def _raw(self, name: str) -> str:
        """The value with surrounding white space removed: files usually end in a line feed."""
        path = self._environ.get(f"{name}_FILE", "")
        if not path:
            return self._environ.get(name, "").strip()
        if self._environ.get(name):
            self._problems.append(f"{name} and {name}_FILE are both set: keep one")
            return ""
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
            self._problems.append(
                f"{name}_FILE names a file that cannot be read ({reason}): check path and mode"
            )
            return ""


def _hsts(env: _Reader) -> str:
    """Browsers remember it for a year, so what it covers beyond this host is asked for by name."""
    subdomains = env.get(variables.HSTS_INCLUDE_SUBDOMAINS)
    preload = env.get(variables.HSTS_PRELOAD)
    if preload and not subdomains:
        env.refuse("HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS=true: browsers' lists take nothing else")
    return "max-age=31536000" + "; includeSubDomains" * subdomains + "; preload" * preload


def _traces(env: _Reader) -> bool:
    if env.get(variables.OTEL_TRACES_EXPORTER) != "otlp" or env.get(variables.OTEL_SDK_DISABLED):
        return False
    env.get(variables.OTEL_EXPORTER_OTLP_PROTOCOL)
    env.get(variables.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL)
    if not _installed("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        env.refuse(
            "OTEL_TRACES_EXPORTER needs the packages of requirements/api-otel.txt, which are not installed"
        )
        return False
    return True


def _installed(*modules: str) -> bool:
    try:
        return all(find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:  # not even their parents
        return False
