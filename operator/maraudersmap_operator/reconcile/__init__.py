"""One pass over one resource, and the queues that order the passes."""

from .queue import Workers, WorkQueue
from .reconciler import Reconciler
from .served import Served
from .settings import InvalidSettings, Settings, read_settings

__all__ = ["InvalidSettings", "Reconciler", "Served", "Settings", "WorkQueue", "Workers", "read_settings"]
