"""The commands that do one thing and exit: the schema, accounts and keys."""

import argparse
import getpass
import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg

from maraudersmap_api import exit_codes
from maraudersmap_api.auth import repository
from maraudersmap_api.auth.models import AdminDeed, Registration, Role, User
from maraudersmap_api.auth.passwords import Passwords
from maraudersmap_api.auth.tokens import key_id
from maraudersmap_api.errors import Conflict, ValidationError
from maraudersmap_api.fields import lowered
from maraudersmap_api.http.models import model
from maraudersmap_api.infra import migrate as migrations
from maraudersmap_api.infra.connecting import connect_plainly
from maraudersmap_api.infra.logs import configure_logs, log
from maraudersmap_api.settings import load_database_settings

TERMINATION_LOG = Path("/dev/termination-log")  # where Kubernetes reads a container's last words, by default
UNREACHABLE: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCatalogNameError,  # an operator may still be creating database and role
    asyncpg.InvalidAuthorizationSpecificationError,
)


async def migrate(environ: Mapping[str, str]) -> int:
    """Apply what is missing: 0, or 75 when the database cannot be reached or is in use so that a lock did not come in
    time, or 1. Raises SettingsError."""
    settings = load_database_settings(environ)
    configure_logs(settings.environment, settings.log_level)
    try:
        applied = await migrations.migrate(settings.url, migrations.shipped_migrations())
    except UNREACHABLE as error:
        log.error("Database unreachable", extra={"context": {"reason": f"{type(error).__name__}: {error}"}})
        return exit_codes.UNREACHABLE
    except migrations.Contended as error:
        log.error("Migration put off", extra={"context": {"reason": str(error)}})
        return exit_codes.UNREACHABLE
    except (migrations.MigrationError, asyncpg.PostgresError) as error:
        log.error("Migration failed", exc_info=error)
        return exit_codes.FAILED
    log.info("Schema is up to date", extra={"context": {"applied": applied}})
    leave_message("applied " + ", ".join(map(str, applied)) if applied else "nothing to do")
    return exit_codes.OK


def leave_message(text: str) -> None:
    """In a pod, let Kubernetes (and those who wait for the Job there) know what was done; elsewhere no one asks."""
    if TERMINATION_LOG.exists():
        TERMINATION_LOG.write_text(text, encoding="utf-8")


async def create_user(environ: Mapping[str, str], arguments: argparse.Namespace) -> int:
    """Create an account: 0, or 75, or 1 with the reason on standard error. Raises SettingsError."""
    settings = load_database_settings(environ)
    configure_logs(settings.environment, settings.log_level, sys.stderr)
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    first, _, last = arguments.email.partition("@")[0].partition(".")
    values = {
        "email": arguments.email,
        "password": password,
        "firstName": arguments.first_name or first.capitalize(),
        "lastName": arguments.last_name or last.capitalize() or first.capitalize(),
        **({"house": arguments.house} if arguments.house else {}),
    }
    passwords = Passwords()
    try:
        registration = model(Registration).from_object(values)
        connection = await connect_plainly(settings.url, 10)
        try:
            password_hash = await passwords.hash(registration.password)
            async with connection.transaction():
                user = await repository.insert_user(
                    connection, registration.new_user(Role(arguments.role)), password_hash
                )
                await repository.record_creation(connection, user, _deed("create-user"))
        finally:
            await connection.close()
    except ValidationError as error:
        return _refuse("; ".join(detail.message for detail in error.details))
    except Conflict as error:
        return _refuse(error.message)
    except UNREACHABLE as error:
        _refuse(f"the database cannot be reached ({type(error).__name__})")
        return exit_codes.UNREACHABLE
    except asyncpg.PostgresError as error:
        return _refuse(_refusal(error))
    finally:
        passwords.close()
    print(f"created {user.email} ({user.role}), id {user.id}")  # noqa: T201 - the command's output
    return exit_codes.OK


async def set_role(environ: Mapping[str, str], arguments: argparse.Namespace) -> int:
    """Change an account's role: 0, or 75, or 1 with the reason. Raises SettingsError."""
    role = Role(arguments.role)
    return await _administer(
        environ, "set-role", arguments.email, lambda user: f"{user.email} is now {role}", role=role
    )


async def set_active(environ: Mapping[str, str], arguments: argparse.Namespace, *, active: bool) -> int:
    """Let an account sign in, or not: 0, or 75, or 1 with the reason. Raises SettingsError."""
    verb = "activate" if active else "deactivate"
    return await _administer(
        environ, verb, arguments.email, lambda user: f"{verb}d {user.email}", active=active
    )


def generate_jwt_key() -> int:
    """A key for JWT_SECRET on standard output; how to change keys on standard error."""
    key = secrets.token_urlsafe(48)
    print(key)  # noqa: T201 - the command's output
    steps = (
        f"kid {key_id(key)}",
        "1. put it into JWT_VERIFY_SECRETS of every pod: all of them accept it",
        "2. swap: it becomes JWT_SECRET, the old key goes to JWT_VERIFY_SECRETS",
        "3. after 15 minutes, remove the old key",
    )
    print("\n".join(steps), file=sys.stderr)  # noqa: T201 - the command's output
    return exit_codes.OK


async def _administer(
    environ: Mapping[str, str],
    command: str,
    email: str,
    done: Callable[[User], str],
    *,
    role: Role | None = None,
    active: bool | None = None,
) -> int:
    settings = load_database_settings(environ)
    configure_logs(settings.environment, settings.log_level, sys.stderr)
    try:
        connection = await connect_plainly(settings.url, 10)
        try:
            async with connection.transaction():
                user = await repository.administer(
                    connection, lowered(email.strip()), _deed(command), role=role, active=active
                )
        finally:
            await connection.close()
    except UNREACHABLE as error:
        _refuse(f"the database cannot be reached ({type(error).__name__})", command)
        return exit_codes.UNREACHABLE
    except asyncpg.PostgresError as error:
        return _refuse(_refusal(error), command)
    if user is None:
        return _refuse("there is no account with this e-mail address", command)
    print(done(user))  # noqa: T201 - the command's output
    return exit_codes.OK


def _deed(command: str) -> AdminDeed:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        name = f"uid {os.getuid()}"
    return AdminDeed(f"{name}@{socket.gethostname()}", command)


def _refusal(error: asyncpg.PostgresError) -> str:
    lacks = isinstance(error, (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError))
    return f"the database refuses it: {str(error).splitlines()[0]}{': run migrate first' if lacks else ''}"


def _refuse(reason: str, command: str = "create-user") -> int:
    print(f"{command}: {reason}", file=sys.stderr)  # noqa: T201 - the command's output
    return exit_codes.FAILED
