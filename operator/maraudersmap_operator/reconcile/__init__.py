"""One pass over one resource, and the queues that order the passes."""

from .context.settings import InvalidSettings, Settings, read_settings
from .context.variables import help_text
from .queue import Workers, WorkQueue
from .reading.served import Served
from .reconciler import Reconciler

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
