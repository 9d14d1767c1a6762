"""A client's bytes become values in one module, so there is one place to guard."""

import ast
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from maraudersmap_api.errors import BadRequest, NotFound
from maraudersmap_api.infra.parsing import understand

READER = Path("http/reading.py")
TAKEN = frozenset(
    {
        "headers", "raw_headers", "query", "query_string", "match_info", "cookies", "url", "rel_url", "host", "content_type",
        "charset", "content", "post", "multipart", "json", "text", "read", "if_range", "http_range", "forwarded",
    }
)  # fmt: skip


def takings(tree: ast.AST) -> Iterator[str]:
    """Where something is taken from a request."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in TAKEN:
            owner = node.value
            name = (
                owner.id
                if isinstance(owner, ast.Name)
                else owner.attr
                if isinstance(owner, ast.Attribute)
                else ""
            )
            if name.lstrip("_") in ("request", "message"):
                yield f"line {node.lineno}: {name}.{node.attr}"


def test_only_the_reader_takes_anything_from_a_request() -> None:
    package = Path(str(resources.files("maraudersmap_api")))
    found = {
        str(path.relative_to(package)): list(takings(ast.parse(path.read_text())))
        for path in package.rglob("*.py")
        if path.relative_to(package) != READER
    }

    assert {name: places for name, places in found.items() if places} == {}


def test_the_look_itself_finds_something() -> None:
    assert list(takings(ast.parse("x = request.headers.get('Origin')"))) == ["line 1: request.headers"]
    assert list(takings(ast.parse((Path(str(resources.files("maraudersmap_api"))) / READER).read_text())))


@pytest.mark.parametrize(
    "error", [ValueError("x"), RecursionError(), UnicodeError(), KeyError("k"), AttributeError("a")]
)
def test_whatever_a_parser_raises_is_a_bad_request(error: Exception) -> None:
    def read() -> None:
        raise error

    with pytest.raises(BadRequest, match="Origin cannot be understood") as caught:
        understand("Origin", read)
    assert caught.value.__cause__ is error


def test_what_a_parser_refuses_itself_passes() -> None:
    def read() -> None:
        raise NotFound("There is nothing with this id")

    with pytest.raises(NotFound):
        understand("id", read)
