"""Errors as answers: the one place that knows which HTTP status a refusal becomes."""

from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from maraudersmap_api.errors import (
    BadRequest,
    DomainError,
    ErrorCode,
    RateLimited,
    Unavailable,
    ValidationError,
)
from maraudersmap_api.http.answers import json_response

STATUS: dict[ErrorCode, int] = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.BAD_FRAME: 400,
    ErrorCode.VALIDATION: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.REQUEST_TIMEOUT: 408,
    ErrorCode.CONFLICT: 409,
    ErrorCode.PRECONDITION_FAILED: 412,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.EXPECTATION_FAILED: 417,
    ErrorCode.IDEMPOTENCY_MISUSE: 422,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
}
_CODE = {
    status: code for code, status in STATUS.items() if code not in (ErrorCode.VALIDATION, ErrorCode.BAD_FRAME)
}

_QUOTED = ":\n\n"
"""What aiohttp's parser in C writes between its sentence and the bytes; the messages of the one in Python begin with them."""

_NOT_SHOWN = "what could not be parsed is not shown"

_SENTENCES = {
    404: "There is nothing at this address",
    405: "This address does not take that method",
    413: "The request body is too large",
    417: "The Expect header is not understood",
}


def problem_response(error: BaseException, request_id: str) -> web.Response:
    """The answer to `error`. Anything that is not a refusal of ours is a 500 without any detail."""
    match error:
        case ValidationError():
            details = [{"field": detail.field, "message": detail.message} for detail in error.details]
            return _answer(STATUS[error.code], error.code, error.message, request_id, details=details)
        case RateLimited() | Unavailable():
            answer = _answer(STATUS[error.code], error.code, error.message, request_id)
            answer.headers["Retry-After"] = str(error.retry_after)
            return answer
        case DomainError():
            answer = _answer(STATUS[error.code], error.code, error.message, request_id)
            if error.code is ErrorCode.UNAUTHORIZED:
                answer.headers["WWW-Authenticate"] = 'Bearer realm="marauders-map"'
            return answer
        case web.HTTPException():
            return _from_aiohttp(error, request_id)
        case RequestPayloadError():
            return problem_response(
                BadRequest("The request body broke off or is not well-formed"), request_id
            )
        case _:
            return _answer(
                500,
                ErrorCode.INTERNAL,
                "Something went wrong on our side; the request was not completed",
                request_id,
            )


def malformed_response(request_id: str) -> web.Response:
    """The answer to bytes that are not HTTP."""
    return _answer(400, ErrorCode.BAD_REQUEST, "The request is not well-formed HTTP", request_id)


def unquoted(error: BaseException) -> str:
    """What an exception says, for the log; without the bytes of a client that aiohttp's parser quotes: the line that it
    stumbles over may hold a token or a password, and is as long as the client likes."""
    if not isinstance(error, HttpProcessingError):
        return str(error)
    sentence, quotes, _ = error.message.partition(_QUOTED)
    return sentence if quotes else _NOT_SHOWN


def unshown(error: BaseException) -> str:
    """The same where bytes of a client raised it, whatever it is: parsers of hosts quote too."""
    return unquoted(error) if isinstance(error, HttpProcessingError) else _NOT_SHOWN


def _from_aiohttp(error: web.HTTPException, request_id: str) -> web.Response:
    """The router's own refusals (404, 405, 413, 417), in our shape."""
    code = _CODE.get(error.status, ErrorCode.BAD_REQUEST if error.status < 500 else ErrorCode.INTERNAL)
    sentence = _SENTENCES.get(error.status) or HTTPStatus(error.status).phrase
    answer = _answer(error.status, code, sentence, request_id)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _answer(
    status: int, code: ErrorCode, message: str, request_id: str, details: list[dict[str, str]] | None = None
) -> web.Response:
    error: dict[str, Any] = {"code": code.value, "message": message}
    if details:
        error["details"] = details
    answer = json_response({"error": error, "requestId": request_id}, status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer
