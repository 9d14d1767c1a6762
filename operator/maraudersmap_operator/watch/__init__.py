"""kopf, kept to what it is best at: watching. Handlers put the object in the store and its owner's key in the queue."""

from .audit import audit_forever, audit_once
from .forgetful import NoMemories
from .handlers import build_registry, build_settings
from .kinds import look_forever, look_once

__all__ = [
    "NoMemories",
    "audit_forever",
    "audit_once",
    "build_registry",
    "build_settings",
    "look_forever",
    "look_once",
]
