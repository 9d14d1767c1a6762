"""Accounts and sessions as clients see them."""

from typing import TypedDict

from maraudersmap_api.auth.models import House, Role, Session, User, UserRef
from maraudersmap_api.wire import Id, Timestamp, rfc3339, rfc3339_or_none


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
