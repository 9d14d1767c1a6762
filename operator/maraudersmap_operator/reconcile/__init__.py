"""One pass over one resource, and the queue that orders the passes."""

from .queue import WorkQueue
from .reconciler import Reconciler
from .settings import InvalidSettings, Settings, read_settings

__all__ = ["InvalidSettings", "Reconciler", "Settings", "WorkQueue", "read_settings"]
