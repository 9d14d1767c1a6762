"""What a parser did not foresee in a client's bytes is the client's fault, not ours."""

import json
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

from maraudersmap_api.errors import BadRequest, DomainError
from maraudersmap_api.infra.logs import error_context, log

P = ParamSpec("P")
T = TypeVar("T")


def understand(what: str, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read`, which only parses, makes of a client's bytes. `what` begins the sentence of the refusal.

    Raises the refusals of `read` as they are, and BadRequest for anything else it raises: that is logged as the bug
    that it is, and answered as the bad request that it is too. A 500 that a client can ask for counts against the
    revision that gives it, and enough of them get a good one rejected.
    """
    try:
        return read(*args, **kwargs)
    except DomainError:
        raise
    except Exception as error:
        log.error("A parser did not expect this", extra={"context": {"error": error_context(error)}})
        raise BadRequest(f"{what} cannot be understood") from error


class NameTwice(ValueError):
    """An object has two members of one name: which of them is meant, each reader would decide for itself."""


def strict_json(text: str) -> Any:
    """What JSON stands for, without NaN and without a name twice in one object.

    Raises NameTwice, another ValueError, or RecursionError.
    """
    return _STRICT.decode(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NameTwice("a name twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_once)
