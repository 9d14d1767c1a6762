"""Starts `kubectl marauders` with the libraries beside this file and no others; `kubectl-marauders` has chosen the Python."""

import sys
from pathlib import Path

_LIB = Path(__file__).resolve().parent / "lib"
sys.path[:0] = [str(_LIB / "{}.{}".format(*sys.version_info)), str(_LIB / "any")]

from maraudersmap_operator.cli import main  # noqa: E402 (it is found only now)

sys.exit(main())
