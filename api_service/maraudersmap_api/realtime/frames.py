"""What travels on a socket: `{type, id, data}`, and why sockets are closed. Pure.

`id` is the event's, and null on frames that are no event. Clients drop event ids that they know: delivery is at least
once.
"""

from enum import IntEnum, StrEnum
from typing import Any

import orjson

from maraudersmap_api.errors import BadFrame
from maraudersmap_api.infra.parsing import NameTwice, strict_json

MOST_FRAME_BYTES = 8 * 1024
"""What a client may send: its largest frame is a token."""


class Close(IntEnum):
    """Close codes: RFC 6455's, and 4401 for what HTTP calls 401."""

    GOING_AWAY = 1001
    POLICY = 1008
    INTERNAL = 1011
    SLOW = 1013
    UNAUTHORIZED = 4401


class ServerFrame(StrEnum):
    """Frames of the server that are no stored event; those bear the event's type."""

    ACKNOWLEDGED = "connection:acknowledged"
    REMOVED = "incident:removed"
    JOINED = "presence:join"
    LEFT = "presence:leave"
    TYPING = "presence:typing"
    RESYNC = "resync"
    ERROR = "error"


class ClientFrame(StrEnum):
    """Frames that clients send."""

    AUTH = "auth"
    JOIN = "room:join"
    LEAVE = "room:leave"
    TYPING_START = "typing:start"
    TYPING_STOP = "typing:stop"
    HEARTBEAT = "heartbeat"


def frame(kind: str, data: Any, event_id: int | None = None) -> bytes:
    """A text frame in UTF-8, made once and sent to many."""
    return orjson.dumps({"type": kind, "id": event_id, "data": data})


def error_frame(code: str, message: str) -> bytes:
    """Something a client asked for was refused; the socket stays."""
    return frame(ServerFrame.ERROR, {"code": code, "message": message})


def parse_frame(text: str) -> tuple[ClientFrame, dict[str, Any]]:
    """A client's frame and all of its fields. Raises BadFrame."""
    try:
        value = strict_json(text)
    except NameTwice:
        raise BadFrame("A frame may not have a field twice") from None
    except (ValueError, RecursionError):
        raise BadFrame("A frame must be JSON") from None
    if not isinstance(value, dict):
        raise BadFrame("A frame must be a JSON object")
    kind = value.get("type")
    try:
        return ClientFrame(kind if isinstance(kind, str) else ""), value
    except ValueError:
        raise BadFrame(f"type must be one of {', '.join(ClientFrame)}") from None


def room_of(fields: dict[str, Any]) -> int:
    """The incident whose room is named, `incident:<id>`. Raises BadFrame."""
    room = fields.get("room")
    prefix, _, number = room.partition(":") if isinstance(room, str) else ("", "", "")
    if prefix != "incident" or not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise BadFrame("room must be incident:<id>")
    return int(number)


def room_name(incident_id: int) -> str:
    """The room of an incident."""
    return f"incident:{incident_id}"


def since_of(fields: dict[str, Any]) -> int | None:
    """The last event that the client knows, None when it starts afresh. Raises BadFrame."""
    since = fields.get("since")
    if since is None:
        return None
    if not isinstance(since, int) or isinstance(since, bool) or not 0 <= since < 2**63:
        raise BadFrame("since must be the id of an event")
    return since
