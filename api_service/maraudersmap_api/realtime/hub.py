"""Which sockets this process has, and in which rooms they are. No I/O."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from maraudersmap_api.realtime.presence import ONLINE, room_key
from maraudersmap_api.realtime.socket import Socket

MOST_OF_A_USER = 10
MOST_ROOMS = 50


class Hub:
    """The sockets of this process."""

    def __init__(self) -> None:
        self._by_user: dict[UUID, set[Socket]] = defaultdict(set)
        self._rooms: dict[int, set[Socket]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(len(sockets) for sockets in self._by_user.values())

    def __iter__(self) -> Iterator[Socket]:
        return iter([socket for sockets in self._by_user.values() for socket in sockets])

    def add(self, socket: Socket) -> bool:
        """From now on it gets events; False when its user has too many sockets."""
        if len(self._by_user.get(socket.user.id, ())) >= MOST_OF_A_USER:
            return False
        self._by_user[socket.user.id].add(socket)
        return True

    def remove(self, socket: Socket) -> None:
        """It gets nothing any more."""
        for incident_id in tuple(socket.rooms):
            self.leave(socket, incident_id)
        sockets = self._by_user.get(socket.user.id, set())
        sockets.discard(socket)
        if not sockets:
            self._by_user.pop(socket.user.id, None)

    def join(self, socket: Socket, incident_id: int) -> bool:
        """Into a room; False when it is in too many."""
        if len(socket.rooms) >= MOST_ROOMS and incident_id not in socket.rooms:
            return False
        socket.rooms.add(incident_id)
        self._rooms[incident_id].add(socket)
        return True

    def leave(self, socket: Socket, incident_id: int) -> None:
        """Out of a room."""
        socket.rooms.discard(incident_id)
        members = self._rooms.get(incident_id, set())
        members.discard(socket)
        if not members:
            self._rooms.pop(incident_id, None)

    def slowest(self) -> Socket | None:
        """The socket that has been sending the same frame for longest, None when none is sending."""
        sending = [socket for socket in self if socket.sending_since is not None and not socket.ending.done()]
        return min(sending, key=lambda socket: socket.sending_since or 0.0, default=None)

    def of(self, user_id: UUID) -> tuple[Socket, ...]:
        """A user's sockets."""
        return tuple(self._by_user.get(user_id, ()))

    def room(self, incident_id: int) -> tuple[Socket, ...]:
        """A room's sockets."""
        return tuple(self._rooms.get(incident_id, ()))

    def users(self) -> set[UUID]:
        """Everybody who is connected here."""
        return set(self._by_user)

    def here(self) -> dict[str, set[UUID]]:
        """Everybody who is here, by presence key."""
        sets = {room_key(number): {s.user.id for s in sockets} for number, sockets in self._rooms.items()}
        return {**sets, ONLINE: self.users()} if self._by_user else sets
