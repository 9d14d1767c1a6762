"""pytest plugin: write down every statement that the API sends, for the releases to come.

    python -m pytest -p dev.record_queries tests/component -n 2 --dist loadgroup

It writes `tests/component/api/recorded/<schema version>.json`; tests/component/api/test_previous_releases.py holds each
later schema against it. Run it before a release; what workers (`-n`) have seen is put together. Statements that a
migration or a test itself sends do not count.
"""

import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg
import pytest

from maraudersmap_api.infra.migrate import shipped_migrations

FOLDER = Path("tests/component/api/recorded")
WORDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
OURS = "/maraudersmap_api/"
NOT_A_POD = ("/infra/migrate.py", "/demo.py")

_statements: set[str] = set()


def pytest_configure() -> None:
    """Listen to every connection's preparation of a statement, which is where each passes."""
    original = asyncpg.Connection._get_statement

    async def listening(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        if _sent_by_a_pod(sys._getframe(1)) and query.strip().upper().startswith(WORDS):
            _statements.add(" ".join(query.split()))
        return await original(self, query, *args, **kwargs)

    asyncpg.Connection._get_statement = listening


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended: what it has seen counts too."""
    _statements.update(getattr(node, "workeroutput", {}).get("statements", ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file; a worker hands in what it has instead."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["statements"] = sorted(_statements)
        return
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{len(shipped_migrations())}.json"
    path.write_text(json.dumps(sorted(_statements), indent=1) + "\n")
    print(f"\n{path}: {len(_statements)} statements")


def _sent_by_a_pod(frame: FrameType | None) -> bool:
    """Does a file of the API stand nearest to the driver?"""
    while frame is not None:
        name = frame.f_code.co_filename
        if OURS in name:
            return not name.endswith(NOT_A_POD)
        if "/tests/" in name:
            return False
        frame = frame.f_back
    return False
