"""Access tokens: JWT, HS256 pinned, 15 minutes. Refresh tokens: random, stored only as a hash, 7 days.

Keys are named by `kid`, a digest of the key, so they can be changed without a moment in which some pods sign what
others refuse: a new key first goes to JWT_VERIFY_SECRETS everywhere, then to JWT_SECRET; the old one stays in
JWT_VERIFY_SECRETS for 15 minutes.

A refresh token begins with its user and ends with a MAC over the rest, so a request to refresh is counted to its user
before the database is asked. The MAC proves nothing else: the stored hash does, and it outlives a change of keys.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
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
CLOCKS_APART_SECONDS = 10  # so far ahead may the clock of the pod be that signed a token
LONGEST_TOKEN = 4096  # characters; ours have some 330
REMEMBERED = 10_000  # tokens whose signature was checked; some 5 MB

_USER_BYTES, _RANDOM_BYTES, _MAC_BYTES = 16, 32, 16


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified access token. The role is not in it: it is looked up."""

    user_id: UUID
    version: int
    expires_at: int  # epoch seconds


class AccessTokens:
    """Signs with one key, verifies with several."""

    def __init__(self, secret: str, verify_secrets: tuple[str, ...] = ()) -> None:
        self._kid = key_id(secret)
        self._secret = secret
        self._keys = {key_id(key): key for key in (secret, *verify_secrets)}
        self._verified: OrderedDict[str, Claims] = OrderedDict()

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
        """Its claims. Raises Unauthorized, which never names what was wrong: that would help a forger only.

        A token comes with each request of its 15 minutes; its signature is checked once, its expiry each time.
        """
        known = self._verified.get(token)
        if known is not None and known.expires_at > time.time():
            return known
        claims = self._checked(token)
        self._verified[token] = claims
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return claims

    def _checked(self, token: str) -> Claims:
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
                # Judged below: the library has one leeway for all, and an expired token is expired.
                options={"require": ["iss", "aud", "sub", "ver", "iat", "exp"], "verify_iat": False},
            )
            if not all(type(claims[name]) is int for name in ("ver", "iat", "exp")):  # nor true, nor 1.0
                raise jwt.InvalidTokenError
            if claims["iat"] > time.time() + CLOCKS_APART_SECONDS:
                raise jwt.InvalidTokenError
            found = Claims(UUID(claims["sub"]), claims["ver"], claims["exp"])
            if found.expires_at - claims["iat"] > ACCESS_LIFETIME.total_seconds():
                raise jwt.InvalidTokenError  # nothing of ours lives that long, even if made with our key
            return found
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError):
            raise Unauthorized(
                "Sign in to see the map: the access token is missing, expired or not valid"
            ) from None


class RefreshTokens:
    """Makes refresh tokens, and reads whose they claim to be."""

    def __init__(self, secret: str, verify_secrets: tuple[str, ...] = ()) -> None:
        self._keys = tuple(
            hashlib.sha256(b"refresh:" + key.encode()).digest() for key in (secret, *verify_secrets)
        )

    def issue(self, user_id: UUID) -> tuple[str, bytes]:
        """A token, and the hash under which it is stored."""
        body = user_id.bytes + secrets.token_bytes(_RANDOM_BYTES)
        token = _text(body + _mac(self._keys[0], body))
        return token, refresh_hash(token)

    def claimed_by(self, token: str) -> UUID | None:
        """Whose token it claims to be, if one of our keys made it; for rate limits only."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (ValueError, binascii.Error):
            return None
        # Decoding drops what is none of its signs, so a token could be written in any number of ways.
        if len(raw) != _USER_BYTES + _RANDOM_BYTES + _MAC_BYTES or _text(raw) != token:
            return None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, body)) for key in self._keys):
            return None
        return UUID(bytes=body[:_USER_BYTES])


def key_id(secret: str) -> str:
    """A short public name of a key, from which the key cannot be had."""
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]


def refresh_hash(token: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]
