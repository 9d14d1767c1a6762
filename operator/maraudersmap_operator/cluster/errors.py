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


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the client library's exceptions into ours; `what` says what was tried."""
    try:
        yield
    except ApiException as error:
        kind = _BY_STATUS.get(error.status or 0, Unavailable)
        raise kind(f"{what}: {_sentence(error)}", error.status or 0) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"{what}: {type(error).__name__} {error}".rstrip()) from error


def _sentence(error: ApiException) -> str:
    """The `message` of the Status object that Kubernetes answers with, or the bare HTTP reason."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body or ""
    try:
        message = json.loads(body).get("message")
    except (ValueError, AttributeError):
        message = None
    return str(message or error.reason or error.status)
