"""What the values of variables may be, and how each is read: ValueError with the rule when it cannot be used.

A message never repeats the value, because most of them are secrets.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LOG_FILES = ("error.log", "combined.log")
MIN_SECRET_BYTES = 32  # HS256: a key shorter than its hash is weaker than the signature
DATABASE_EXAMPLE = "postgresql://user:password@host:5432/database"


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


_DATABASE_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
}


def database_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"must start with postgresql:// (for example {DATABASE_EXAMPLE})")
    if not parts.hostname and "host=" not in parts.query:
        raise ValueError(f"names no host (for example {DATABASE_EXAMPLE})")
    _check_port(value)
    query = parse_qs(parts.query)
    for name, choices in _DATABASE_CHOICES.items():
        if not {choice.replace("_", "-") for choice in query.get(name, ())} <= set(choices):
            raise ValueError(f"has another {name} than {', '.join(choices)}")
    return value


def redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError(
            "must start with redis://, rediss:// or unix:// (leave it empty to run without a cache)"
        )
    _check_port(value)
    if parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]*/?", parts.path):
        raise ValueError("has a database that is no number (for example redis://cache:6379/0)")
    return value


def prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}", value):
        raise ValueError("must have 1 to 64 letters, digits and : . _ - (for example hogwarts-map)")
    return value


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        # urllib's own text would repeat a part of the URL, which may be a password with an unescaped sign.
        raise ValueError("has a port that is no number (percent-encode : / @ in the password)") from None


def secret(value: str) -> str:
    if len(value.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes (try: openssl rand -base64 48)")
    return value


def secrets(value: str) -> tuple[str, ...]:
    try:
        return tuple(secret(part) for part in _items(value))
    except ValueError:
        raise ValueError(
            f"holds a key of less than {MIN_SECRET_BYTES} bytes: remove or lengthen it"
        ) from None


def log_level(value: str) -> LogLevel:
    try:
        return LogLevel(value.lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(LogLevel)}") from None


def writable_folder(value: str) -> Path:
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


def pooler(value: str) -> Pooler:
    try:
        return Pooler(value.lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Pooler)}") from None


def exporter(value: str) -> str:
    if value.lower() not in ("otlp", "none"):
        raise ValueError("must be otlp or none")
    return value.lower()


def protocol(value: str) -> str:
    if value.lower() != "http/protobuf":
        raise ValueError("must be http/protobuf: nothing else is supported")
    return value.lower()


def flag(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value.lower() == "true"


def dependencies(value: str) -> frozenset[Dependency]:
    try:
        return frozenset(Dependency(item) for item in _items(value))
    except ValueError:
        raise ValueError(f"must be a comma list of {', '.join(Dependency)}") from None


_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def origins(value: str) -> tuple[str, ...]:
    origins = tuple(item.rstrip("/") for item in _items(value))
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be a comma list of origins such as https://map.hogwarts.edu (no path, no *)")
    return origins


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value) or not low <= float(value) <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return float(value)

    return parse
