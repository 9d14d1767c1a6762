"""Registering, signing in and out, and telling who a token belongs to."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from maraudersmap_api.addresses import ClientAddress
from maraudersmap_api.auth import repository
from maraudersmap_api.auth.models import ChangePassword, NewUser, Session, User
from maraudersmap_api.auth.passwords import Passwords
from maraudersmap_api.auth.throttle import LoginThrottle
from maraudersmap_api.auth.tokens import (
    REFRESH_LIFETIME,
    AccessTokens,
    Claims,
    RefreshTokens,
    refresh_hash,
)
from maraudersmap_api.errors import Unauthorized, Unavailable, ValidationError
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.logs import log

USER_CACHE_SECONDS = 5.0
USER_STALE_SECONDS = 60.0
USER_CACHE_SIZE = 10_000
ENDED_REMEMBERED = 10_000  # refresh tokens; some 1 MB
_WRONG = "E-mail address or password is wrong"


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
        refresh_tokens: RefreshTokens,
        throttle: LoginThrottle,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._tokens = tokens
        self._refresh_tokens = refresh_tokens
        self._throttle = throttle
        self._clock = clock
        self._monotonic = monotonic
        # None: there is no such account.
        self._users: OrderedDict[UUID, tuple[float, User | None]] = OrderedDict()
        self._over: OrderedDict[bytes, None] = OrderedDict()  # refresh tokens that can never be used again

    async def register(self, new: NewUser, password: str) -> User:
        """Create an account. Raises Conflict when the e-mail is taken, Unavailable."""
        return await repository.insert_user(self._db.writer, new, await self._passwords.hash(password))

    async def login(self, email: str, password: str, address: ClientAddress) -> Session:
        """Open a session. Raises Unauthorized with one and the same sentence for every cause, RateLimited."""
        async with self._throttle.attempt(email, address):
            found = await repository.find_credentials(self._db, email)
            # No connection is held while hashing, and an unknown address costs the same time.
            fits = await self._passwords.verify(found[1] if found else None, password)
            if found is None or not fits or not found[0].is_active:
                raise Unauthorized(_WRONG)
        now = self._clock()
        token, token_hash = self._refresh_tokens.issue(found[0].id)
        user = await repository.record_login(
            self._db.writer, found[0].id, found[1], token_hash, uuid4(), now + REFRESH_LIFETIME
        )
        if user is None:  # deactivated, or given another password, while we were hashing
            raise Unauthorized(_WRONG)
        return Session(user, self._tokens.issue(user, now), token)

    async def refresh(self, token: str) -> Session:
        """The next pair of tokens for the last one; each refresh token works once. Raises Unauthorized.

        One that is used again was stolen, or its thief was faster: the whole family ends, and so do the access
        tokens. That is committed before the refusal is sent.
        """
        now = self._clock()
        used = refresh_hash(token)
        async with self._db.transaction() as tx:
            await repository.lock_owner(tx, used)
            spent = await repository.spend(tx, used)
            if spent is not None:
                user, family = spent
                fresh, fresh_hash = self._refresh_tokens.issue(user.id)
                await repository.replace_token(tx, used, user.id, fresh_hash, family, now + REFRESH_LIFETIME)
                return Session(user, self._tokens.issue(user, now), fresh)
            victim = await repository.revoke_reused(tx, used)
        if victim is not None:
            self.forget(victim)
            log.warning("A refresh token was used twice", extra={"context": {"userId": str(victim)}})
        raise Unauthorized("This session has ended: sign in again")

    async def refreshing(self, token: str) -> UUID | None:
        """Whose refresh token this is, if it can be used at this moment. Raises Unavailable.

        One that has ended is asked for once: repeating it must not keep the database busy.
        """
        used = refresh_hash(token)
        if self._refresh_tokens.claimed_by(token) is None or used in self._over:
            return None
        owner = await repository.owner_of(self._db, used)
        if owner is None:
            self._over[used] = None
            if len(self._over) > ENDED_REMEMBERED:
                self._over.popitem(last=False)
        return owner

    async def logout(self, token: str) -> None:
        """End the session that this refresh token belongs to. Fine for any token, any number of times."""
        used = refresh_hash(token)
        async with self._db.transaction() as tx:
            await repository.lock_owner(tx, used)
            await repository.revoke_family(tx, used)

    async def change_password(self, user: User, change: ChangePassword, address: ClientAddress) -> Session:
        """Set another password; every other session ends. Raises ValidationError, RateLimited, Unauthorized."""
        async with self._throttle.attempt(user.email, address):
            found = await repository.find_credentials(self._db, user.email)
            if found is None or not await self._passwords.verify(found[1], change.current_password):
                raise ValidationError.of("currentPassword", "Current password is wrong")
        new_hash = await self._passwords.hash(change.new_password)
        now = self._clock()
        token, token_hash = self._refresh_tokens.issue(user.id)
        async with self._db.transaction() as tx:
            changed = await repository.change_password(
                tx, user.id, found[1], new_hash, token_hash, uuid4(), now + REFRESH_LIFETIME
            )
        if changed is None:  # somebody else changed it while we were hashing
            raise Unauthorized("This session has ended: sign in again")
        self.forget(user.id)
        return Session(changed, self._tokens.issue(changed, now), token)

    async def user_of(self, claims: Claims, *, reading: bool = False) -> User:
        """Who presents these claims, as of at most 5 s ago; while the database is away and for `reading`, of 60 s.

        Raises Unauthorized when the account is gone, inactive, or has ended its tokens; Unavailable.
        """
        known, user = self._cached(claims.user_id, USER_CACHE_SECONDS)
        if not known or (user is not None and user.token_version < claims.version):
            # A token newer than the copy: issued on another pod a moment ago.
            asked_at = self._monotonic()
            try:
                user = await repository.find_user(self._db, claims.user_id)
            except Unavailable:
                # No account can be deactivated either while the database is away: what was true still is.
                known, user = self._cached(claims.user_id, USER_STALE_SECONDS)
                if not (known and reading):
                    raise
                return self._entitled(user, claims)
            self._remember(claims.user_id, user, asked_at)
        return self._entitled(user, claims)

    async def still(self, user: User) -> None:
        """For what takes long: raises Unauthorized when their sessions have ended since `user` was looked up, by another role
        or otherwise; Unavailable as `user_of`.
        """
        await self.user_of(Claims(user.id, user.token_version, expires_at=0), reading=True)

    def _entitled(self, user: User | None, claims: Claims) -> User:
        if user is None or not user.is_active or user.token_version != claims.version:
            raise Unauthorized("This session has ended: sign in again")
        return user

    def forget(self, user_id: UUID) -> None:
        """Look the account up again next time: something about it changed here."""
        self._users.pop(user_id, None)

    def forget_all(self) -> None:
        """Look every account up again next time."""
        self._users.clear()

    def _cached(self, user_id: UUID, seconds: float) -> tuple[bool, User | None]:
        """Whether anything is known of them that is no older, and what."""
        entry = self._users.get(user_id)
        if entry is None or self._monotonic() - entry[0] > seconds:
            return False, None
        return True, entry[1]

    def _remember(self, user_id: UUID, user: User | None, as_of: float) -> None:
        self._users[user_id] = (as_of, user)
        self._users.move_to_end(user_id)
        if len(self._users) > USER_CACHE_SIZE:
            self._users.popitem(last=False)
