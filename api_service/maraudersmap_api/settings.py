"""Settings from the environment.

Every variable may be given as `NAME` or as `NAME_FILE` (a path whose content is the value: how Kubernetes and
Docker hand over secrets). All problems are reported at once, each with the variable and the remedy; values are
never repeated in a message, because most of them are secrets.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

LOG_FILES = ("error.log", "combined.log")
MIN_SECRET_BYTES = 32  # HS256: a key shorter than its hash is weaker than the signature


class Dependency(StrEnum):
    """What readiness may insist on."""

    DATABASE = "database"
    CACHE = "cache"


class LogLevel(StrEnum):
    """Least level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Pooler(StrEnum):
    """What stands between this service and its database. AUTO finds out."""

    AUTO = "auto"
    NONE = "none"
    TRANSACTION = "transaction"  # a server for each transaction: pgbouncer in that mode, and the like


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
        database_url=env.required("DATABASE_URL", _database_url, example=_DATABASE_EXAMPLE),
        redis_url=env.optional("REDIS_URL", _redis_url),
        limits_redis_url=env.optional("LIMITS_REDIS_URL", _redis_url),
        redis_prefix=env.optional("REDIS_PREFIX", _prefix),
        jwt_secret=env.required("JWT_SECRET", _secret, example="at least 32 random bytes"),
        jwt_verify_secrets=env.get("JWT_VERIFY_SECRETS", (), _secrets),
        host=env.optional("HOST", str),
        port=env.get("PORT", 4001, _integer(0, 65535)),
        metrics_port=env.optional("METRICS_PORT", _integer(0, 65535)),
        environment=env.get("ENVIRONMENT", "production", str),
        log_level=env.get("LOG_LEVEL", LogLevel.INFO, _log_level),
        log_dir=env.optional("LOG_DIR", _writable_folder),
        cors_origins=env.get("CORS_ORIGINS", (), _origins),
        hsts=_hsts(env),
        trusted_proxies=env.get("TRUSTED_PROXIES", 0, _integer(0, 16)),
        rate_limits=RateLimits(
            anonymous=env.get("RATE_LIMIT_ANONYMOUS", 100, _integer(1, 10**9)),
            authenticated=env.get("RATE_LIMIT_AUTHENTICATED", 1000, _integer(1, 10**9)),
            window_seconds=env.get("RATE_LIMIT_WINDOW_SECONDS", 900, _integer(1, 86_400)),
        ),
        db_pool_size=env.get("DB_POOL_SIZE", 4, _integer(1, 100)),
        database_pooler=env.get("DATABASE_POOLER", Pooler.AUTO, _pooler),
        database_statement_cache=env.optional("DATABASE_STATEMENT_CACHE", _integer(0, 10_000)),
        drain_seconds=env.get("DRAIN_SECONDS", 5.0, _seconds(0, 300)),
        connection_max_age_seconds=env.get("CONNECTION_MAX_AGE_SECONDS", 60.0, _seconds(1, 86_400)),
        readiness_requires=env.get("READINESS_REQUIRES", frozenset({Dependency.DATABASE}), _dependencies),
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
        url=env.required("DATABASE_URL", _database_url, example=_DATABASE_EXAMPLE),
        environment=env.get("ENVIRONMENT", "production", str),
        log_level=env.get("LOG_LEVEL", LogLevel.INFO, _log_level),
    )
    env.finish()
    return settings


_DATABASE_EXAMPLE = "postgresql://user:password@host:5432/database"


class _Reader:
    """Collects problems instead of stopping at the first, so that one restart is enough to fix them all."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def get(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        value = self._raw(name)
        if not value:
            return default
        try:
            return parse(value)
        except ValueError as problem:
            self._problems.append(f"{name} {problem}")
            return default

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        return self.get(name, None, parse)

    def required(self, name: str, parse: Callable[[str], str], *, example: str) -> str:
        before = len(self._problems)
        value = self.get(name, "", parse)
        if not value and len(self._problems) == before:
            self._problems.append(f"{name} is not set: set it, or {name}_FILE, to {example}")
        return value

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


def _database_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"must start with postgresql:// (for example {_DATABASE_EXAMPLE})")
    if not parts.hostname and "host=" not in parts.query:
        raise ValueError(f"names no host (for example {_DATABASE_EXAMPLE})")
    _check_port(value)
    return value


def _redis_url(value: str) -> str:
    if urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError(
            "must start with redis://, rediss:// or unix:// (leave it empty to run without a cache)"
        )
    _check_port(value)
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}", value):
        raise ValueError("must have 1 to 64 letters, digits and : . _ - (for example hogwarts-map)")
    return value


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        # urllib's own text would repeat a part of the URL, which may be a password with an unescaped sign.
        raise ValueError("has a port that is no number (percent-encode : / @ in the password)") from None


def _secret(value: str) -> str:
    if len(value.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes (try: openssl rand -base64 48)")
    return value


def _secrets(value: str) -> tuple[str, ...]:
    try:
        return tuple(_secret(part) for part in _items(value))
    except ValueError:
        raise ValueError(
            f"holds a key of less than {MIN_SECRET_BYTES} bytes: remove or lengthen it"
        ) from None


def _log_level(value: str) -> LogLevel:
    try:
        return LogLevel(value.lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(LogLevel)}") from None


def _writable_folder(value: str) -> Path:
    """A log that cannot be written is found out now, not when somebody looks for it."""
    folder = Path(value)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in LOG_FILES:
            with open(folder / name, "ab"):
                pass
    except OSError as problem:
        raise ValueError(
            f"names a folder that cannot be written ({problem.strerror}): check path and mode"
        ) from None
    return folder


def _pooler(value: str) -> Pooler:
    try:
        return Pooler(value.lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Pooler)}") from None


def _hsts(env: _Reader) -> str:
    """Browsers remember it for a year, so what it covers beyond this host is asked for by name."""
    subdomains = env.get("HSTS_INCLUDE_SUBDOMAINS", False, _flag)
    preload = env.get("HSTS_PRELOAD", False, _flag)
    if preload and not subdomains:
        env.refuse("HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS=true: browsers' lists take nothing else")
    return "max-age=31536000" + "; includeSubDomains" * subdomains + "; preload" * preload


def _traces(env: _Reader) -> bool:
    """The library's own default is to export; ours is not to, until somebody names the exporter."""
    wanted = env.get("OTEL_TRACES_EXPORTER", "none", _exporter) == "otlp"
    if not wanted or env.get("OTEL_SDK_DISABLED", False, _flag):
        return False
    env.get("OTEL_EXPORTER_OTLP_PROTOCOL", None, _protocol)
    env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", None, _protocol)
    if not _installed("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        env.refuse(
            "OTEL_TRACES_EXPORTER needs the packages of requirements/api-otel.txt, which are not installed"
        )
        return False
    return True


def _exporter(value: str) -> str:
    if value.lower() not in ("otlp", "none"):
        raise ValueError("must be otlp or none")
    return value.lower()


def _protocol(value: str) -> None:
    if value.lower() != "http/protobuf":
        raise ValueError("must be http/protobuf: nothing else is supported")


def _installed(*modules: str) -> bool:
    try:
        return all(find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:  # not even their parents
        return False


def _flag(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value.lower() == "true"


def _dependencies(value: str) -> frozenset[Dependency]:
    try:
        return frozenset(Dependency(item) for item in _items(value))
    except ValueError:
        raise ValueError(f"must be a comma list of {', '.join(Dependency)}") from None


_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(item.rstrip("/") for item in _items(value))
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be a comma list of origins such as https://map.hogwarts.edu (no path, no *)")
    return origins


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value) or not low <= float(value) <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return float(value)

    return parse
