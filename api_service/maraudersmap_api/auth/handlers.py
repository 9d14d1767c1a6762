"""`/api/auth`: parse, call, shape."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from aiohttp import web

from maraudersmap_api.addresses import ClientAddress
from maraudersmap_api.auth.models import (
    ChangePassword,
    Credentials,
    RefreshToken,
    Registration,
    Role,
    User,
)
from maraudersmap_api.auth.service import AuthService
from maraudersmap_api.auth.shapes import SessionJson, UserAnswerJson, session_json, user_json
from maraudersmap_api.auth.tokens import AccessTokens
from maraudersmap_api.errors import Conflict, DomainError, Unauthorized, Unavailable
from maraudersmap_api.http.answers import NO_STORE
from maraudersmap_api.http.api import Answer, Api, Provider
from maraudersmap_api.http.edge import UNJUDGED, USER_ID
from maraudersmap_api.http.models import model
from maraudersmap_api.http.reading import header, read_object
from maraudersmap_api.http.streams import Entitled
from maraudersmap_api.infra.metrics import FOR_MACHINES
from maraudersmap_api.infra.parsing import understand
from maraudersmap_api.infra.turns import asking

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALLER = web.RequestKey("CALLER", User)
REFUSAL = web.RequestKey("REFUSAL", DomainError)
"""Why there is no caller although there is a credential."""
REFRESH = "/api/auth/refresh"
LOOKED_INTO = 4096
"""Bytes of a body that is read before the limits are applied: more than a refresh token takes, however it is written."""


def identify(tokens: AccessTokens, auth: AuthService) -> Any:
    """Middleware: find out whose credential the request brings, if it is valid now, before anything else is done.

    A bad token is not refused here but where somebody has to be signed in: login does not care. A request to refresh has
    no access token any more, or one that has expired; it is its refresh token's owner who calls. A caller whose
    credential has ended, or was taken from its owner and ended for that, is anonymous.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in FOR_MACHINES:
            return await handler(request)
        try:
            try:
                user = await _signed_in(request, tokens, auth)
            except Unauthorized as refusal:
                request[REFUSAL] = refusal
                user = None
            if user is not None:
                request[CALLER] = user
                _came_from(request, user.id)
            elif request.path == REFRESH and request.method == "POST":
                owner = await _refreshing(request, auth)
                if owner is not None:
                    _came_from(request, owner)
        except Unavailable as refusal:
            request[REFUSAL] = refusal
            request[UNJUDGED] = True
        return await handler(request)

    return middleware


def _came_from(request: web.Request, user_id: UUID) -> None:
    """What this request asks for is this user's, not their address's."""
    request[USER_ID] = caller = str(user_id)
    asking.set(caller)


async def _signed_in(request: web.Request, tokens: AccessTokens, auth: AuthService) -> User | None:
    """Whose access token the request brings, None without one. Raises Unauthorized when it has ended, Unavailable."""
    scheme, _, token = (header(request, "Authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    claims = understand("Authorization", tokens.verify, token.strip())
    return await auth.user_of(claims, reading=request.method in ("GET", "HEAD"))


async def _refreshing(request: web.Request, auth: AuthService) -> UUID | None:
    """Who refreshes. A body that is long, or may be, is not waited for before the limits: it counts to its address."""
    if request.content_length is None or request.content_length > LOOKED_INTO:
        return None
    try:
        body = understand("The body", model(RefreshToken).from_object, await read_object(request))
    except DomainError:
        return None  # the handler reads it again and reports what is wrong
    return await auth.refreshing(body.refresh_token)


def caller() -> Provider[User]:
    """What handlers get for a parameter of type User: 401 comes before anything else is looked at."""

    async def get(request: web.Request) -> User:
        user: User | None = request.get(CALLER)
        if user is None:
            raise request.get(REFUSAL) or Unauthorized(
                "Sign in to see the map: the access token is missing, expired or not valid"
            )
        return user

    return Provider(User, get, signs_in=True)


def entitled(auth: AuthService) -> Entitled:
    """For long answers: has the caller still the sessions and the role that they began with?"""

    async def ask(request: web.Request) -> None:
        user: User | None = request.get(CALLER)
        if user is not None:
            await auth.still(user)

    return ask


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
