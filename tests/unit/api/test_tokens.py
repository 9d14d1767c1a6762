"""Access tokens: only what we signed, for us, in time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest

from maraudersmap_api.auth.models import House, Role, User
from maraudersmap_api.auth.tokens import AUDIENCE, ISSUER, AccessTokens, Claims, RefreshTokens, key_id
from maraudersmap_api.errors import Unauthorized

NOW = datetime.now(UTC)
KEY, OLD_KEY, FOREIGN_KEY = "current" * 6, "previous" * 6, "foreign" * 6
HARRY = User(
    UUID(int=1),
    "harry@hogwarts.edu",
    Role.STUDENT,
    "Harry",
    "Potter",
    House.GRYFFINDOR,
    None,
    3,
    True,
    NOW,
    NOW,
    None,
)


def forged(key: str = KEY, *, kid: str | None = None, algorithm: str = "HS256", **changes: object) -> str:
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(HARRY.id),
        "ver": 3,
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(minutes=15)).timestamp()),
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id(KEY) if kid is None else kid})


def test_what_was_issued_verifies_and_holds_no_role() -> None:
    tokens = AccessTokens(KEY)
    token = tokens.issue(HARRY, NOW)

    claims = tokens.verify(token)

    assert (claims.user_id, claims.version) == (HARRY.id, 3)
    assert claims.expires_at == int(NOW.timestamp()) + 900
    assert set(jwt.decode(token, options={"verify_signature": False})) == {
        "iss",
        "aud",
        "sub",
        "ver",
        "iat",
        "exp",
    }


def test_a_token_signed_with_the_key_before_still_verifies() -> None:
    token = AccessTokens(OLD_KEY).issue(HARRY, NOW)

    assert AccessTokens(KEY, (OLD_KEY,)).verify(token).user_id == HARRY.id
    with pytest.raises(Unauthorized):
        AccessTokens(KEY).verify(token)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(forged(FOREIGN_KEY), id="foreign key under our name"),
        pytest.param(forged(FOREIGN_KEY, kid="../../etc"), id="unknown key name"),
        pytest.param(forged("", algorithm="none"), id="no signature"),
        pytest.param(forged(KEY * 2, algorithm="HS512"), id="another algorithm"),
        pytest.param(forged(exp=int(NOW.timestamp()) - 1), id="expired"),
        pytest.param(forged(iss="someone"), id="another issuer"),
        pytest.param(forged(aud="someone"), id="another audience"),
        pytest.param(forged(exp=None), id="for ever"),
        pytest.param(forged(ver=None), id="no version"),
        pytest.param(forged(ver="x"), id="odd version"),
        pytest.param(forged(sub="harry"), id="no user id"),
        pytest.param("a.b.c", id="no token"),
        pytest.param("", id="nothing"),
        pytest.param("x" * 100_000, id="long"),
    ],
)
def test_everything_else_is_refused_with_one_sentence(token: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        AccessTokens(KEY).verify(token)

    assert caught.value.message == "Sign in to see the map: the access token is missing, expired or not valid"


def test_a_forger_without_forgery_would_be_let_in() -> None:
    """The helper above makes good tokens, so each refusal is for its own reason."""
    assert AccessTokens(KEY).verify(forged()).user_id == replace(HARRY).id


def test_a_refresh_token_names_its_user_to_us_alone() -> None:
    token, token_hash = RefreshTokens(KEY).issue(HARRY.id)

    assert (RefreshTokens(KEY).claimed_by(token), len(token_hash)) == (HARRY.id, 32)
    assert RefreshTokens(OLD_KEY, (KEY,)).claimed_by(token) == HARRY.id
    assert RefreshTokens(FOREIGN_KEY).claimed_by(token) is None
    assert RefreshTokens(KEY).issue(HARRY.id)[0] != token


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "A", lambda t: "B" + t[1:], lambda t: "\u00e4", str.upper]
)
def test_a_changed_refresh_token_names_nobody(change: Callable[[str], str]) -> None:
    token, _ = RefreshTokens(KEY).issue(UUID("0123456789abcdef0123456789abcdef"))

    assert RefreshTokens(KEY).claimed_by(change(token)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "====",
        lambda token: token[:10] + "!!!!" + token[10:],
        lambda token: token + "\n\n\n\n",
        lambda token: token[:-1] + chr(ord(token[-1]) + 1),
        lambda token: token.replace("-", "+").replace("_", "/") + "==",
    ],
)
def test_a_refresh_token_is_written_in_one_way_only(change: Callable[[str], str]) -> None:
    """The database is asked about each text once: of one old token there must not be as many texts as one likes."""
    token, _ = RefreshTokens(KEY).issue(HARRY.id)
    assert RefreshTokens(KEY).claimed_by(change(token)) is None


def test_a_verified_token_is_not_believed_beyond_its_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = AccessTokens(KEY)
    token = tokens.issue(HARRY, NOW)
    tokens.verify(token)
    monkeypatch.setattr("time.time", lambda: NOW.timestamp() + 901)

    # PyJWT reads another clock, so only the remembered copy could let it pass here.
    monkeypatch.setattr(tokens, "_checked", _refuse)
    with pytest.raises(Unauthorized):
        tokens.verify(token)


def _refuse(token: str) -> Claims:
    raise Unauthorized("expired")


@pytest.mark.parametrize(("ahead", "accepted"), [(-5, True), (8, True), (30, False)])
def test_clocks_may_be_some_seconds_apart(ahead: int, accepted: bool) -> None:
    """A pod whose clock is a little ahead signs what the others verify."""
    issued = int(datetime.now(UTC).timestamp()) + ahead
    token = forged(iat=issued, exp=issued + 60)

    if accepted:
        assert AccessTokens(KEY).verify(token).user_id == HARRY.id
    else:
        with pytest.raises(Unauthorized):
            AccessTokens(KEY).verify(token)


def test_the_expiry_has_no_leeway() -> None:
    issued = int(datetime.now(UTC).timestamp()) - 60

    with pytest.raises(Unauthorized):
        AccessTokens(KEY).verify(forged(iat=issued, exp=issued + 58))
