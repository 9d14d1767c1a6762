"""Generated examples are judged by what they find, not by how long they take: a busy machine pauses a test for seconds."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")
