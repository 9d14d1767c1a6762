"""Prometheus' own programs, as `make test-monitoring` unpacks them."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "prometheus" / "usr" / "bin"


def tool(name: str) -> str:
    """Path of promtool, prometheus or amtool. Raises FileNotFoundError with the remedy."""
    unpacked = FOLDER / name
    found = str(unpacked) if unpacked.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: make .cache/prometheus, or apt-get install prometheus")
    return found
