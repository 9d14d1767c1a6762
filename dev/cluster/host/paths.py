"""Where things are kept: per machine what is costly, per checkout what is cheap."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
DEV = CHECKOUT / "dev"
STATE = CHECKOUT / ".state"
"""Kubeconfig, logs and chosen addresses of this checkout; git-ignored."""
STATE_BIN = STATE / "bin"
SUMMARY = STATE / "cluster.json"
KUBECONFIG = STATE / "kubeconfig"


def _machine_home() -> Path:
    """A fixed place, so that the next clone on this machine finds what this one built."""
    if named := os.environ.get("MARAUDERS_DEV_HOME"):
        return Path(named)
    if os.geteuid() == 0 and os.uname().sysname == "Linux":
        return Path("/var/lib/marauders-dev")
    return Path.home() / ".cache" / "marauders-dev"


MACHINE = _machine_home()
MACHINE_BIN = MACHINE / "bin"
MACHINE_RUN = Path("/run/marauders-dev")
"""Pid file and sockets of a Docker daemon of ours."""


def cluster_name() -> str:
    """Derived from the checkout's path, so two clones on one machine never fight over one name."""
    return "marauders-" + hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]


def digest(*parts: str | bytes, files: Iterable[Path] = ()) -> str:
    """12 hex digits over the parts and the names and contents of the files, in a fixed order."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(len(content).to_bytes(8, "big") + content)
    for path in sorted(files):
        content = path.read_bytes()
        total.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:12]


def files_under(folder: Path) -> list[Path]:
    """Every file below the folder, but nothing that Python or Go leaves behind."""
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]


def write_whole(path: Path, content: str, mode: int = 0o644) -> None:
    """Write so that a reader never sees half of it, not even after a kill."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(content, encoding="utf-8")
    temporary.chmod(mode)
    temporary.replace(path)


def link(at: Path, to: Path) -> None:
    """Make `at` a symbolic link to `to`, replacing what was there."""
    at.parent.mkdir(parents=True, exist_ok=True)
    temporary = at.with_name(at.name + ".tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(to)
    temporary.replace(at)


def program(name: str) -> str | None:
    """The full path of a program on PATH, or None."""
    return shutil.which(name)
