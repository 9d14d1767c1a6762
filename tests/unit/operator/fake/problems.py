"""What the API server answers when it does not do as it was asked, in its own sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maraudersmap_operator.cluster.kinds import Kind


class Problem(Exception):
    """An HTTP status and the `message` of its Status object."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def resource(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def type_name(kind: Kind) -> str:
    return f"{kind.kind}.{kind.group}" if kind.group else kind.kind


def not_found(kind: Kind, name: str) -> Problem:
    return Problem(404, f'{resource(kind)} "{name}" not found')


def exists(kind: Kind, name: str) -> Problem:
    return Problem(409, f'{resource(kind)} "{name}" already exists')


def modified(kind: Kind, name: str) -> Problem:
    return Problem(
        409,
        f'Operation cannot be fulfilled on {resource(kind)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def wrong_uid(kind: Kind, name: str, asked: str, stored: str) -> Problem:
    return Problem(
        409,
        f'Operation cannot be fulfilled on {resource(kind)} "{name}": Precondition failed: '
        f"UID in precondition: {asked}, UID in object meta: {stored}",
    )


def wrong_version(kind: Kind, name: str, asked: str, stored: str) -> Problem:
    return Problem(
        409,
        f'Operation cannot be fulfilled on {resource(kind)} "{name}": Precondition failed: '
        f"ResourceVersion in precondition: {asked}, ResourceVersion in object meta: {stored}",
    )


def invalid(kind: Kind, name: str, *details: str) -> Problem:
    causes = details[0] if len(details) == 1 else f"[{', '.join(details)}]"
    return Problem(422, f'{type_name(kind)} "{name}" is invalid: {causes}')


def forbidden(kind: Kind, name: str, why: str) -> Problem:
    return Problem(403, f'{resource(kind)} "{name}" is forbidden: {why}')


def bad_request(message: str) -> Problem:
    return Problem(400, message)


@contextmanager
def of_a_patch() -> Iterator[None]:
    """What cannot be read once it is patched is an invalid patch, where a whole object would be a bad request."""
    try:
        yield
    except Problem as problem:
        if problem.status != 400:
            raise
        raise Problem(422, f' "" is invalid: patch: Invalid value: "...": {problem.message}') from problem
