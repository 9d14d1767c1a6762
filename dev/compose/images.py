"""Which images the containers are made from: public ones where they can be pulled, else our own from Debian packages."""

from __future__ import annotations

import os

from dev.cluster import app_images
from dev.cluster.host.paths import DEV
from dev.cluster.images import base_images, debian, sources
from dev.cluster.lifecycle import daemon


def variables() -> dict[str, str]:
    """What compose.yaml reads, as far as it is not set by the caller, and COMPOSE_PROFILES for what is only public."""
    daemon.ensure()
    public = sources.public_images()
    wanted = {"COMPOSE_PROFILES": "grafana"} if public else _local()
    if "API_IMAGE" not in os.environ:
        wanted["API_IMAGE"] = app_images.local("api")
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def _local() -> dict[str, str]:
    base, folder = debian.ensure(), DEV / "images"
    bases = base_images.ensure_local()
    made = {"POSTGRES_IMAGE": bases.postgres, "REDIS_IMAGE": bases.redis}
    for name in ("nginx", "prometheus"):
        made[f"{name.upper()}_IMAGE"] = base_images.build_local(
            name, folder / name, "Dockerfile", {"DEBIAN": base}
        )
    return made
