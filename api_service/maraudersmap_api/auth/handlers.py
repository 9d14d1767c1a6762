"""`/api/auth`: parse, call, shape."""

from collections.abc import Awaitable, Callable
from typing import Any, TypedDict
from uuid import UUID

from aiohttp import web

from maraudersmap_api.auth.models import (
    ChangePassword,
    Credentials,
    House,
    RefreshToken,
    Registration,
    Role,
    Session,
    User,
    UserRef,
)
from maraudersmap_api.auth.service import AuthService
from maraudersmap_api.auth.tokens import AccessTokens, Claims, RefreshTokens
from maraudersmap_api.errors import Conflict, DomainError, Unauthorized
from maraudersmap_api.http.answers import NO_STORE, rfc3339, rfc3339_or_none
from maraudersmap_api.http.api import Answer, Api, ClientAddress, Provider
from maraudersmap_api.http.edge import USER_ID
from maraudersmap_api.http.outputs import Id, Timestamp
from maraudersmap_api.http.reading import header, read_object, understand

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CLAIMS = web.RequestKey("CLAIMS", Claims)
REFRESH = "/api/auth/refresh"


class UserRefJson(TypedDict):
    """An account as others see it."""

    id: Id
    firstName: str
    lastName: str
    role: Role
    house: House | None


class UserJson(UserRefJson):
    """An account as its owner sees it."""

    email: str
    avatarUrl: str | None
    createdAt: Timestamp
    updatedAt: Timestamp
    lastLoginAt: Timestamp | None
    isActive: bool


class UserAnswerJson(TypedDict):
    """One account."""

    user: UserJson


class SessionJson(TypedDict):
    """What signing in gives."""

    user: UserJson
    accessToken: str
    refreshToken: str


def identify(tokens: AccessTokens, refresh_tokens: RefreshTokens) -> Any:
    """Middleware: verify the bearer token, if there is one, before anything else is done.

    A bad token is not refused here but where somebody has to be signed in: health and login do not care.
    A request to refresh has no access token any more; it counts to the user whose refresh token it brings.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = (header(request, "Authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and token:
            try:
                claims = understand("Authorization", tokens.verify, token.strip())
            except Unauthorized:
                pass  # stays anonymous
            else:
                request[CLAIMS] = claims
                request[USER_ID] = str(claims.user_id)
        elif request.path == REFRESH and request.method == "POST":
            owner = await _refreshing(request, refresh_tokens)
            if owner is not None:
                request[USER_ID] = str(owner)
        return await handler(request)

    return middleware


async def _refreshing(request: web.Request, refresh_tokens: RefreshTokens) -> UUID | None:
    try:
        token = (await read_object(request)).get("refreshToken")
    except DomainError:
        return None  # the handler reads it again and says what is wrong
    if not isinstance(token, str):
        return None
    return understand("refreshToken", refresh_tokens.claimed_by, token)


def caller(auth: AuthService) -> Provider[User]:
    """What handlers get for a parameter of type User: 401 comes before anything else is looked at."""

    async def get(request: web.Request) -> User:
        claims: Claims | None = request.get(CLAIMS)
        if claims is None:
            raise Unauthorized("Sign in to see the map: the access token is missing, expired or not valid")
        return await auth.user_of(claims, reading=request.method in ("GET", "HEAD"))

    return Provider(User, get, signs_in=True)


def add_auth_routes(api: Api, auth: AuthService) -> None:
    """Accounts and sessions."""
    routes = api.tagged("auth")

    @routes.post("/api/auth/register", status=201, refuses=(Conflict,), cache=NO_STORE)
    async def register(body: Registration) -> Answer[UserAnswerJson]:
        """Create an account.

        Its role is always STUDENT; an administrator may change it.
        """
        user = await auth.register(body.new_user(Role.STUDENT), body.password)
        return Answer({"user": user_json(user)})

    @routes.post("/api/auth/login", refuses=(Unauthorized,), cache=NO_STORE)
    async def login(body: Credentials, address: ClientAddress) -> Answer[SessionJson]:
        """Sign in.

        Five failures for an e-mail address, or fifty from one place, are followed by 429 until 15 minutes are over.
        """
        return Answer(session_json(await auth.login(body.email, body.password, address)))

    @routes.post(REFRESH, refuses=(Unauthorized,), cache=NO_STORE)
    async def refresh(body: RefreshToken) -> Answer[SessionJson]:
        """Get the next pair of tokens.

        Each refresh token works once; using one again ends the whole session.
        """
        return Answer(session_json(await auth.refresh(body.refresh_token)))

    @routes.post("/api/auth/logout", cache=NO_STORE)
    async def logout(body: RefreshToken) -> None:
        """Sign out: the session's refresh tokens end. Repeating it is harmless."""
        await auth.logout(body.refresh_token)

    @routes.put("/api/auth/change-password", cache=NO_STORE)
    async def change_password(
        body: ChangePassword, caller: User, address: ClientAddress
    ) -> Answer[SessionJson]:
        """Set another password.

        Every session ends; the answer opens a new one.
        """
        return Answer(session_json(await auth.change_password(caller, body, address)))

    @routes.get("/api/auth/me", cache=NO_STORE)
    async def me(caller: User) -> Answer[UserAnswerJson]:
        """Who am I?"""
        return Answer({"user": user_json(caller)})


def session_json(session: Session) -> SessionJson:
    """A session as its owner gets it, once."""
    return {
        "user": user_json(session.user),
        "accessToken": session.access_token,
        "refreshToken": session.refresh_token,
    }


def user_json(user: User) -> UserJson:
    """An account as its owner sees it."""
    return {
        "id": str(user.id),
        "email": user.email,
        "role": user.role,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "house": user.house,
        "avatarUrl": user.avatar_url,
        "createdAt": rfc3339(user.created_at),
        "updatedAt": rfc3339(user.updated_at),
        "lastLoginAt": rfc3339_or_none(user.last_login_at),
        "isActive": user.is_active,
    }


def user_ref_json(user: UserRef) -> UserRefJson:
    """An account as others see it."""
    return {
        "id": str(user.id),
        "firstName": user.first_name,
        "lastName": user.last_name,
        "role": user.role,
        "house": user.house,
    }
