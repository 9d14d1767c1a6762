"""One pass over one resource, and the queues that order the passes."""

from .queue import Workers, WorkQueue
from .reconciler import Reconciler
from .served import Served
from .settings import InvalidSettings, Settings, read_settings
from .variables import help_text

__all__ = [
    "InvalidSettings",
    "Reconciler",
    "Served",
    "Settings",
    "WorkQueue",
    "Workers",
    "help_text",
    "read_settings",
]
