"""Who somebody is, as of at most five seconds ago."""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from maraudersmap_api.auth import repository
from maraudersmap_api.auth.models import Role, User
from maraudersmap_api.auth.service import USER_CACHE_SECONDS, AuthService
from maraudersmap_api.auth.tokens import Claims
from maraudersmap_api.infra.db import Database

NOW = datetime.now(UTC)
HARRY = User(uuid4(), "harry@hogwarts.edu", Role.STUDENT, "H", "P", None, None, 0, True, NOW, NOW, None)
CLAIMS = Claims(HARRY.id, 0, expires_at=0)


async def test_an_answer_is_as_old_as_its_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy database takes its time, and what it has seen may have changed since."""
    now, asked = 100.0, 0

    async def slowly(_: Any, user_id: UUID) -> User:
        nonlocal now, asked
        now, asked = now + 2, asked + 1
        return HARRY

    monkeypatch.setattr(repository, "find_user", slowly)
    nothing = cast("Any", None)
    auth = AuthService(cast("Database", None), nothing, nothing, nothing, nothing, monotonic=lambda: now)
    await auth.user_of(CLAIMS)
    now += USER_CACHE_SECONDS - 2.5
    await auth.user_of(CLAIMS)
    assert asked == 1
    now += 1
    await auth.user_of(CLAIMS)
    assert asked == 2
