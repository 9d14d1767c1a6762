"""`kubectl marauders`: the plugin for people who run MaraudersMaps.

Works with what the namespace's ordinary `view` and `edit` roles allow. It reads the resource, its pods and its revisions,
and writes two things only: annotations that ask for something once, and `.spec.rollout.paused`.
"""

from .main import main

__all__ = ["main"]
