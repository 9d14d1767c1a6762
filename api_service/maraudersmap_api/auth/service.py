"""Registering, signing in, and telling who a token belongs to."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from maraudersmap_api.auth import repository
from maraudersmap_api.auth.models import NewUser, Session, User
from maraudersmap_api.auth.passwords import Passwords
from maraudersmap_api.auth.tokens import REFRESH_LIFETIME, AccessTokens, Claims, new_refresh_token
from maraudersmap_api.errors import Unauthorized
from maraudersmap_api.infra.db import Database

USER_CACHE_SECONDS = 5.0
USER_CACHE_SIZE = 10_000


def utc_now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


class AuthService:
    """Accounts and sessions."""

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        tokens: AccessTokens,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._monotonic = monotonic
        self._users: OrderedDict[UUID, tuple[float, User]] = OrderedDict()

    async def register(self, new: NewUser, password: str) -> User:
        """Create an account. Raises Conflict when the e-mail is taken, Unavailable."""
        return await repository.insert_user(self._db, new, await self._passwords.hash(password))

    async def login(self, email: str, password: str) -> Session:
        """Open a session. Raises Unauthorized with one and the same sentence for every cause."""
        found = await repository.find_credentials(self._db, email)
        # No connection is held while hashing, and an unknown address costs the same time.
        fits = await self._passwords.verify(found[1] if found else None, password)
        if found is None or not fits or not found[0].is_active:
            raise Unauthorized("E-mail address or password is wrong")
        now = self._clock()
        refresh_token, token_hash = new_refresh_token()
        user = await repository.record_login(
            self._db, found[0].id, token_hash, uuid4(), now + REFRESH_LIFETIME
        )
        return Session(user, self._tokens.issue(user, now), refresh_token)

    async def user_of(self, claims: Claims) -> User:
        """Who presents these claims, as of at most 5 s ago.

        Raises Unauthorized when the account is gone, inactive, or has ended its tokens; Unavailable.
        """
        user = self._cached(claims.user_id)
        if user is None or user.token_version < claims.version:
            # A token newer than the copy: issued on another pod a moment ago.
            user = await repository.find_user(self._db, claims.user_id)
            if user is not None:
                self._remember(user)
        if user is None or not user.is_active or user.token_version != claims.version:
            raise Unauthorized("This session has ended: sign in again")
        return user

    def forget(self, user_id: UUID) -> None:
        """Look the account up anew: something about it changed here."""
        self._users.pop(user_id, None)

    def forget_all(self) -> None:
        """Look everybody up anew."""
        self._users.clear()

    def _cached(self, user_id: UUID) -> User | None:
        entry = self._users.get(user_id)
        if entry is None or entry[0] < self._monotonic():
            return None
        return entry[1]

    def _remember(self, user: User) -> None:
        self._users[user.id] = (self._monotonic() + USER_CACHE_SECONDS, user)
        self._users.move_to_end(user.id)
        if len(self._users) > USER_CACHE_SIZE:
            self._users.popitem(last=False)
