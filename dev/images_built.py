"""The images that `python3 -m dev.cluster build` made, by the names that the cluster's nodes pull them by."""

from __future__ import annotations

import json
import os
from typing import Literal

from dev.cluster.host.console import Problem
from dev.cluster.host.paths import STATE

_POINTERS = STATE / "images.json"

Program = Literal["api", "operator"]


def image_of(program: Program) -> str:
    """The reference of the API's or the operator's image. Raises Problem when it is not built.

    MARAUDERS_API_IMAGE and MARAUDERS_OPERATOR_IMAGE name others, for a cluster that cannot pull from here.
    """
    variable = f"MARAUDERS_{program.upper()}_IMAGE"
    if named := os.environ.get(variable):
        return named
    built: dict[str, str] = json.loads(_POINTERS.read_text(encoding="utf-8")) if _POINTERS.exists() else {}
    if program not in built:
        raise Problem(f"the {program} image is not built", f"make images (or name one in {variable})")
    return built[program]
