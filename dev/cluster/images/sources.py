"""Whether public images can be pulled here. Asked once a day, because asking in vain takes time."""

import json
import os
import time

from dev.cluster.host.console import print_line
from dev.cluster.host.paths import MACHINE, write_whole
from dev.cluster.host.shell import succeeds
from dev.cluster.images.base_images import PUBLIC

_ANSWER = MACHINE / "public-images.json"
_ANSWER_HOLDS_SECONDS = 24 * 3600
_PULL_SECONDS = 120


def recorded_answer() -> bool | None:
    """What is known without asking; None: nothing."""
    match os.environ.get("MARAUDERS_IMAGES"):
        case "public":
            return True
        case "local":
            return False
        case _:
            pass
    if _ANSWER.exists():
        answer = json.loads(_ANSWER.read_text(encoding="utf-8"))
        if time.time() - answer["at"] < _ANSWER_HOLDS_SECONDS:
            return bool(answer["public"])
    return None


def public_images() -> bool:
    """True when Docker can pull. MARAUDERS_IMAGES=public or local decides instead of asking."""
    if (known := recorded_answer()) is not None:
        return known
    image = PUBLIC.build
    can = succeeds(["docker", "image", "inspect", image]) or succeeds(
        ["docker", "pull", "-q", image], timeout=_PULL_SECONDS
    )
    print_line(
        "public images can be pulled"
        if can
        else f"{image} cannot be pulled here: images are built from packages"
    )
    write_whole(_ANSWER, json.dumps({"public": can, "at": time.time()}))
    return can
