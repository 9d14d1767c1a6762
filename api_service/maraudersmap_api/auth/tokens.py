"""Access tokens: JWT, HS256 pinned, 15 minutes. Refresh tokens: random, stored only as a hash, 7 days.

Keys are named by `kid`, a digest of the key, so they can be changed without a moment in which some pods sign what
others refuse: a new key first goes to JWT_VERIFY_SECRETS everywhere, then to JWT_SECRET; the old one stays in
JWT_VERIFY_SECRETS for 15 minutes.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import jwt

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Unauthorized

ISSUER = "marauders-map-api"
AUDIENCE = "marauders-map"
ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=7)
LONGEST_TOKEN = 4096  # characters; ours have some 330


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says. The role is not in it: it is looked up."""

    user_id: UUID
    version: int
    expires_at: int  # epoch seconds


class AccessTokens:
    """Signs with one key, verifies with several."""

    def __init__(self, secret: str, verify_secrets: tuple[str, ...] = ()) -> None:
        self._kid = key_id(secret)
        self._secret = secret
        self._keys = {key_id(key): key for key in (secret, *verify_secrets)}

    def issue(self, user: User, now: datetime) -> str:
        """A token for `user`, valid from `now` (aware UTC)."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user.id),
            "ver": user.token_version,
            "iat": int(now.timestamp()),
            "exp": int((now + ACCESS_LIFETIME).timestamp()),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256", headers={"kid": self._kid})

    def verify(self, token: str) -> Claims:
        """Its claims. Raises Unauthorized, which never says what was wrong: that would help a forger only."""
        try:
            if len(token) > LONGEST_TOKEN:
                raise jwt.InvalidTokenError
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token,
                key,
                algorithms=["HS256"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["iss", "aud", "sub", "ver", "iat", "exp"]},
            )
            return Claims(UUID(claims["sub"]), int(claims["ver"]), int(claims["exp"]))
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise Unauthorized(
                "Sign in to see the map: the access token is missing, expired or not valid"
            ) from None


def key_id(secret: str) -> str:
    """A short public name of a key, from which the key cannot be had."""
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]


def new_refresh_token() -> tuple[str, bytes]:
    """A refresh token, and the hash under which it is stored."""
    token = secrets.token_urlsafe(32)
    return token, refresh_hash(token)


def refresh_hash(token: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()
