"""Events as they happen: WebSockets, rooms, presence."""
