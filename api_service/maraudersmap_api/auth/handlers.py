"""`/api/auth`: parse, call, shape."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from maraudersmap_api.auth.models import House, NewUser, Role, User, UserRef
from maraudersmap_api.auth.service import AuthService
from maraudersmap_api.auth.tokens import AccessTokens, Claims
from maraudersmap_api.errors import Unauthorized
from maraudersmap_api.http.answers import NO_STORE, json_response, rfc3339, rfc3339_or_none
from maraudersmap_api.http.edge import USER_ID
from maraudersmap_api.http.reading import Form, read_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
UserHandler = Callable[[web.Request, User], Awaitable[web.StreamResponse]]
SignedIn = Callable[[UserHandler], Handler]

CLAIMS = web.RequestKey("CLAIMS", Claims)

_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@hogwarts\.edu")


def identify(tokens: AccessTokens) -> Any:
    """Middleware: verify the bearer token, if there is one, before anything else is done.

    A bad token is not refused here but where somebody has to be signed in: health and login do not care.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            try:
                claims = tokens.verify(token.strip())
            except Unauthorized:
                pass  # stays anonymous
            else:
                request[CLAIMS] = claims
                request[USER_ID] = str(claims.user_id)
        return await handler(request)

    return middleware


def signed_in(auth: AuthService) -> SignedIn:
    """Makes handlers that need a user: 401 comes before the body is even read."""

    def wrap(handler: UserHandler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            claims: Claims | None = request.get(CLAIMS)
            if claims is None:
                raise Unauthorized(
                    "Sign in to see the map: the access token is missing, expired or not valid"
                )
            return await handler(request, await auth.user_of(claims))

        return answer

    return wrap


def add_auth_routes(router: web.UrlDispatcher, auth: AuthService) -> None:
    """Accounts and sessions."""
    needs_user = signed_in(auth)

    async def register(request: web.Request) -> web.Response:
        """201 with the user; 400, 409."""
        new, password = parse_registration(await read_object(request))
        user = await auth.register(new, password)
        return json_response({"user": user_json(user)}, status=201, headers=NO_STORE)

    async def login(request: web.Request) -> web.Response:
        """200 with the user and both tokens; 400, 401."""
        form = Form(await read_object(request))
        email = form.text("email", most=320, required=True).lower()
        password = form.text("password", most=1024, required=True, strip=False)
        form.finish()
        session = await auth.login(email, password)
        body = {
            "user": user_json(session.user),
            "accessToken": session.access_token,
            "refreshToken": session.refresh_token,
        }
        return json_response(body, headers=NO_STORE)

    async def me(_: web.Request, user: User) -> web.Response:
        """200 with the user; 401."""
        return json_response({"user": user_json(user)}, headers=NO_STORE)

    router.add_post("/api/auth/register", register)
    router.add_post("/api/auth/login", login)
    router.add_get("/api/auth/me", needs_user(me))


def parse_registration(values: dict[str, Any], role: Role = Role.STUDENT) -> tuple[NewUser, str]:
    """A new user and the password; the role is the caller's choice, never the body's. Raises ValidationError."""
    form = Form(values)
    email = form.text("email", most=320, required=True).lower()
    if email and not _EMAIL.fullmatch(email):
        form.refuse("email", "Email must be an address that ends with @hogwarts.edu")
    password = form.text("password", least=8, most=128, required=True, strip=False)
    first_name = form.text("firstName", most=100, required=True)
    last_name = form.text("lastName", most=100, required=True)
    house = form.choice("house", House)
    form.finish()
    return NewUser(email, first_name, last_name, house, role), password


def user_json(user: User) -> dict[str, Any]:
    """An account as its owner sees it."""
    return {
        "id": str(user.id),
        "email": user.email,
        "role": user.role.value,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "house": user.house.value if user.house else None,
        "avatarUrl": user.avatar_url,
        "createdAt": rfc3339(user.created_at),
        "updatedAt": rfc3339(user.updated_at),
        "lastLoginAt": rfc3339_or_none(user.last_login_at),
        "isActive": user.is_active,
    }


def user_ref_json(user: UserRef) -> dict[str, Any]:
    """An account as others see it."""
    return {
        "id": str(user.id),
        "firstName": user.first_name,
        "lastName": user.last_name,
        "role": user.role.value,
        "house": user.house.value if user.house else None,
    }
