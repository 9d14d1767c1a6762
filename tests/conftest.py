"""Generated examples are judged by what they find, not by how long they take: a busy machine pauses a test for seconds.

They are the same each time, so that a red run is about the change at hand; HYPOTHESIS_PROFILE=search looks for new ones.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "same", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, max_examples=300
)
settings.register_profile("search", settings.get_profile("same"), derandomize=False, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
