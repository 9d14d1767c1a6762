"""What can go wrong at the API server, in our words.

ClusterError
├── NotFound       404: the object or its namespace is not there
├── Conflict       409: somebody else was faster, or the UID is another one
├── Refused        400, 403, 422: the request will not succeed as it is (quota, admission, RBAC, validation)
├── Unavailable    429, 5xx, time-outs, broken connections: the same request may succeed later
└── NotLeading     not sent at all: another process may lead by now
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from kubernetes.aio.client.exceptions import ApiException


class ClusterError(Exception):
    """`message` is the API server's sentence, `status` the HTTP status (0: no answer)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class NotFound(ClusterError):
    pass


class Conflict(ClusterError):
    pass


class Refused(ClusterError):
    pass


def namespace_ends(error: ClusterError) -> bool:
    """Refused because the namespace is being deleted: nothing more can be made in it, ever."""
    return isinstance(error, Refused) and TERMINATING in error.message


class Unavailable(ClusterError):
    pass


class NotLeading(ClusterError):
    pass


_BY_STATUS: dict[int, type[ClusterError]] = {
    400: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
    422: Refused,
}


# Of the admission plug-in NamespaceLifecycle, whichever kind is created.
TERMINATING = "because it is being terminated"
# "exceeded quota: ...", 'User "u" cannot create resource ...', 'secrets "x" already exists', 'secrets "x" not found'.
QUOTES_NO_VALUE = (
    "exceeded quota: ",
    " cannot create resource ",
    " cannot patch resource ",
    "already exists",
    "not found",
    TERMINATING,
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the client library's exceptions into ours; `what` names what was tried."""
    try:
        yield
    except ApiException as error:
        kind = _BY_STATUS.get(error.status or 0, Unavailable)
        sentence = _sentence(error, of_a_secret="/secrets" in what)
        _forget_bodies(error)
        raise kind(f"{what}: {sentence}", error.status or 0) from error
    # A ValueError: an answer that is no JSON, or a part of it, from something between us and the API server.
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise Unavailable(f"{what}: {type(error).__name__} {error}".rstrip()) from error


def _forget_bodies(error: ApiException) -> None:
    """The library's exceptions print headers and body of the answer, which may repeat those of the request. What remains of
    the cause is its kind, its status and where it was raised."""
    chain: list[BaseException] = [error]
    for link in chain:
        if isinstance(link, ApiException):
            link.body = link.data = link.headers = None
            link.args = ()
            if hasattr(link, "original_traceback"):  # of the dynamic client: a text
                link.original_traceback = None
        chain += [e for e in (link.__cause__, link.__context__) if e is not None and e not in chain]


def _sentence(error: ApiException, *, of_a_secret: bool) -> str:
    """The `message` of the Status object that Kubernetes answers with, or the bare HTTP reason.

    Validation and webhooks quote what they do not like: of a Secret's refusal only quota and RBAC are quoted in full.
    """
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body or ""
    try:
        message = json.loads(body).get("message")
    except (ValueError, AttributeError):
        message = None
    if message and of_a_secret and not any(words in message for words in QUOTES_NO_VALUE):
        message = None
    return str(message or error.reason or error.status)
