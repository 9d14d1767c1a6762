"""Everything the service refuses, as one tree.

    DomainError
    ├── ValidationError      what was sent is wrong, field by field
    ├── BadRequest, BadFrame it cannot be understood at all
    ├── Unauthorized         no caller, or none we know
    ├── Forbidden            known, but not allowed
    ├── NotFound
    ├── Conflict             right in itself, wrong for the present state
    ├── PreconditionFailed   If-Match names a version that has passed
    ├── IdempotencyMisuse    one Idempotency-Key for two different requests
    ├── PayloadTooLarge, UnsupportedMediaType
    ├── RateLimited          carries when to come back
    └── Unavailable          a dependency is away; carries when to come back

Messages are written for the person who called the API: they never hold driver text, SQL or secrets.
Only `http/problems.py` knows which HTTP status a code becomes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class ErrorCode(StrEnum):
    """The machine-readable half of an error answer."""

    BAD_REQUEST = "BAD_REQUEST"
    BAD_FRAME = "BAD_FRAME"
    VALIDATION = "VALIDATION_ERROR"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    CONFLICT = "CONFLICT"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    EXPECTATION_FAILED = "EXPECTATION_FAILED"
    IDEMPOTENCY_MISUSE = "IDEMPOTENCY_MISUSE"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL = "INTERNAL_ERROR"
    UNAVAILABLE = "SERVICE_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Detail:
    """One field that is wrong, and how to put it right."""

    field: str
    message: str


class DomainError(Exception):
    """A refusal with a code for programs and a sentence for people."""

    code: ClassVar[ErrorCode]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ValidationError(DomainError):
    """What was sent is wrong; the first problem is the headline, all of them are the details."""

    code = ErrorCode.VALIDATION

    def __init__(self, details: list[Detail]) -> None:
        super().__init__(details[0].message)
        self.details = tuple(details)

    @classmethod
    def of(cls, field: str, message: str) -> "ValidationError":
        """The common case of one problem in one field."""
        return cls([Detail(field, message)])


class BadRequest(DomainError):
    """Not understandable as a request at all, so no field can be named."""

    code = ErrorCode.BAD_REQUEST


class BadFrame(DomainError):
    """What a client sent on its socket is no frame."""

    code = ErrorCode.BAD_FRAME


class Unauthorized(DomainError):
    """No credentials, or none that we accept; never names the part that was wrong."""

    code = ErrorCode.UNAUTHORIZED


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    code = ErrorCode.FORBIDDEN


class NotFound(DomainError):
    """There is nothing at this address."""

    code = ErrorCode.NOT_FOUND


class Conflict(DomainError):
    """The present state does not allow this."""

    code = ErrorCode.CONFLICT


class PreconditionFailed(DomainError):
    """The caller's copy is older than what is stored."""

    code = ErrorCode.PRECONDITION_FAILED


class IdempotencyMisuse(DomainError):
    """This Idempotency-Key was used for a different request."""

    code = ErrorCode.IDEMPOTENCY_MISUSE


class PayloadTooLarge(DomainError):
    """The body is above the limit."""

    code = ErrorCode.PAYLOAD_TOO_LARGE


class UnsupportedMediaType(DomainError):
    """The body is not JSON."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class RequestTimeout(DomainError):
    """The body did not arrive in time."""

    code = ErrorCode.REQUEST_TIMEOUT


class RateLimited(DomainError):
    """The caller's allowance for this window is used up."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class Unavailable(DomainError):
    """Something this request needs is away; nothing was half-written. `worked`: it is not, but has worked for this request
    for as long as it may."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self, message: str, retry_after: int = 2, *, worked: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds
        self.worked = worked
