"""Settings: every problem at once, with the variable and the remedy, and never a secret in the text."""

from pathlib import Path

import pytest

from maraudersmap_api.settings import (
    Dependency,
    LogLevel,
    SettingsError,
    load_database_settings,
    load_settings,
)

SECRET = "a-secret-of-at-least-thirty-two-bytes"
MINIMAL = {"DATABASE_URL": "postgresql://u:p@db:5432/map", "JWT_SECRET": SECRET}


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.problems


def test_minimal_environment_gives_the_documented_defaults() -> None:
    settings = load_settings(MINIMAL)

    assert (settings.port, settings.environment, settings.log_level) == (4001, "production", LogLevel.INFO)
    assert (settings.redis_url, settings.cors_origins, settings.trusted_proxies) == (None, (), 0)
    assert (settings.limits_redis_url, settings.redis_prefix) == (None, None)
    limits = settings.rate_limits
    assert (limits.anonymous, limits.authenticated, limits.window_seconds) == (100, 1000, 900)
    assert (settings.db_pool_size, settings.drain_seconds) == (4, 5.0)
    assert settings.readiness_requires == {Dependency.DATABASE}


def test_every_problem_is_reported_at_once() -> None:
    found = problems({"PORT": "http", "LOG_LEVEL": "loud", "JWT_SECRET": "short", "DB_POOL_SIZE": "0"})

    assert [text.split()[0] for text in found] == [
        "DATABASE_URL",
        "JWT_SECRET",
        "PORT",
        "LOG_LEVEL",
        "DB_POOL_SIZE",
    ]
    assert "DATABASE_URL is not set: set it, or DATABASE_URL_FILE, to postgresql://" in found[0]
    assert "at least 32 bytes" in found[1]
    assert "from 0 to 65535" in found[2]
    assert "debug, info, warn, error" in found[3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2hunter2@db/map"),
        ("DATABASE_URL", "postgresql://root:hunter2hunter2/x@db:54"),
        ("DATABASE_URL", "postgresql://root:hunter2hunter2@db/map?sslmode=hunter2"),
        ("DATABASE_URL", "postgresql://root@db/map?password=hunter2hunter2&target_session_attrs=any-hunter2"),
        ("REDIS_URL", "redis://:hunter2hunter2@cache:port/0"),
        ("REDIS_URL", "redis://:hunter2hunter2@cache/hunter2"),
        ("LIMITS_REDIS_URL", "http://:hunter2hunter2@limits"),
        ("REDIS_PREFIX", "hunter2hunter2*"),
        ("JWT_SECRET", "hunter2hunter2"),
        ("JWT_VERIFY_SECRETS", f"{SECRET},hunter2hunter2"),
    ],
)
def test_a_secret_is_never_repeated(name: str, value: str) -> None:
    found = problems({**MINIMAL, name: value})

    assert len(found) == 1
    assert found[0].startswith(name)
    assert "hunter2" not in found[0]


def test_values_may_come_from_files_with_a_line_feed_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(MINIMAL["DATABASE_URL"] + "\n")
    (tmp_path / "key").write_text(SECRET + "\n")

    settings = load_settings(
        {"DATABASE_URL_FILE": str(tmp_path / "url"), "JWT_SECRET_FILE": str(tmp_path / "key")}
    )

    assert (settings.database_url, settings.jwt_secret) == (MINIMAL["DATABASE_URL"], SECRET)


def test_a_file_that_is_missing_and_a_value_given_twice_are_named(tmp_path: Path) -> None:
    found = problems({**MINIMAL, "PORT_FILE": "x", "PORT": "1", "REDIS_URL_FILE": str(tmp_path / "none")})

    assert found[0].startswith("REDIS_URL_FILE names a file that cannot be read (No such file")
    assert found[1] == "PORT and PORT_FILE are both set: keep one"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://map.hogwarts.edu/path"),
        ("READINESS_REQUIRES", "database,owl"),
        ("DRAIN_SECONDS", "-1"),
        ("DRAIN_SECONDS", "nan"),
        ("PORT", "70000"),
        ("PORT", "٤٠٠١"),
        ("TRUSTED_PROXIES", "many"),
    ],
)
def test_values_that_would_surprise_later_are_refused(name: str, value: str) -> None:
    assert problems({**MINIMAL, name: value})[0].startswith(name)


def test_the_strict_reading_of_readiness() -> None:
    settings = load_settings({**MINIMAL, "READINESS_REQUIRES": "database, cache"})

    assert settings.readiness_requires == {Dependency.DATABASE, Dependency.CACHE}


def test_migrations_ask_for_no_signing_key() -> None:
    assert load_database_settings({"DATABASE_URL": MINIMAL["DATABASE_URL"]}).url == MINIMAL["DATABASE_URL"]


def test_hsts_covers_more_only_when_asked() -> None:
    year = "max-age=31536000"
    more = {"HSTS_INCLUDE_SUBDOMAINS": "true"}

    assert load_settings(MINIMAL).hsts == year
    assert load_settings({**MINIMAL, **more}).hsts == f"{year}; includeSubDomains"
    assert (
        load_settings({**MINIMAL, **more, "HSTS_PRELOAD": "TRUE"}).hsts
        == f"{year}; includeSubDomains; preload"
    )
    for value in ("true", "yes"):
        (problem,) = problems({**MINIMAL, "HSTS_PRELOAD": value})
        assert problem.startswith("HSTS_PRELOAD ")


def test_a_log_folder_that_cannot_be_written_is_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    (problem,) = problems({**MINIMAL, "LOG_DIR": str(tmp_path / "file" / "logs")})
    assert problem.startswith("LOG_DIR names a folder that cannot be written")
    assert load_settings({**MINIMAL, "LOG_DIR": str(tmp_path / "logs")}).log_dir == tmp_path / "logs"
