"""The map from refusals to answers is complete, and tells nothing it should not."""

import json

import pytest
from aiohttp import web

from maraudersmap_api import errors
from maraudersmap_api.http.problems import STATUS, problem_response

Kind = type[errors.DomainError]


def all_subclasses(kind: Kind) -> set[Kind]:
    found: set[Kind] = set()
    for child in kind.__subclasses__():
        found |= {child} | all_subclasses(child)
    return found


def test_every_code_has_a_status() -> None:
    assert set(STATUS) == set(errors.ErrorCode)


def test_every_domain_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in all_subclasses(errors.DomainError)]

    assert len(codes) == len(set(codes))


def test_the_canonical_error_word_for_word() -> None:
    answer = problem_response(errors.ValidationError.of("title", "Title is required"), "req-1")

    assert answer.status == 400
    assert answer.text == (
        '{"error":{"code":"VALIDATION_ERROR","message":"Title is required",'
        '"details":[{"field":"title","message":"Title is required"}]},"requestId":"req-1"}'
    )


def test_a_bug_tells_the_client_nothing() -> None:
    answer = problem_response(RuntimeError("password=hunter2 at db.internal"), "req-1")

    assert answer.status == 500
    assert "hunter2" not in (answer.text or "")
    assert json.loads(answer.text or "")["error"]["code"] == "INTERNAL_ERROR"


def test_who_may_come_back_hears_when() -> None:
    assert problem_response(errors.Unavailable("away", retry_after=7), "r").headers["Retry-After"] == "7"
    assert problem_response(errors.RateLimited("slow", retry_after=8), "r").headers["Retry-After"] == "8"


def test_a_401_names_its_scheme() -> None:
    assert "Bearer" in problem_response(errors.Unauthorized("who?"), "r").headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (web.HTTPNotFound(), 404, "NOT_FOUND"),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), 405, "METHOD_NOT_ALLOWED"),
        (web.HTTPRequestEntityTooLarge(1, 2), 413, "PAYLOAD_TOO_LARGE"),
        (web.HTTPExpectationFailed(), 417, "EXPECTATION_FAILED"),
    ],
)
def test_the_routers_own_refusals_take_our_shape(error: web.HTTPException, status: int, code: str) -> None:
    answer = problem_response(error, "r")

    assert (answer.status, json.loads(answer.text or "")["error"]["code"]) == (status, code)
