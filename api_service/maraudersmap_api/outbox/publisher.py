"""After the commit: informing the subscribers."""

from collections.abc import Callable, Sequence

from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.outbox.models import Event

Listener = Callable[[Sequence[Event]], None]
"""Must not block: it queues, it does not send."""


class Publisher:
    """Hands committed events to listeners. What a listener does wrong never reaches the request that made the event:
    what is stored is stored, whether or not a subscriber fails."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Hear of every event that this process commits."""
        self._listeners.append(listener)

    def publish(self, events: Sequence[Event]) -> None:
        """Call it when the transaction is over, never inside. Never raises."""
        for listener in self._listeners:
            try:
                listener(events)
            except Exception as error:  # noqa: BLE001 - see above
                log.error("Events were not published", extra={"context": {"error": error_context(error)}})
