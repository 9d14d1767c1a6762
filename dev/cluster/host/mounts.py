"""Removing folders that may have something mounted below them, as a killed chroot or daemon leaves them."""

import re
import shutil
from pathlib import Path

from dev.cluster.host.shell import run


def mounts_below(table: str, folder: Path) -> list[Path]:
    """Mount points at or below the folder in the text of /proc/self/mountinfo, the innermost first."""
    points = []
    for line in table.splitlines():
        # The kernel writes blanks in octal.
        raw = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), line.split()[4])
        point = Path(raw)
        if point == folder or folder in point.parents:
            points.append(point)
    return points[::-1]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below the folder."""
    table = Path("/proc/self/mountinfo")
    if not table.exists():
        return
    for point in mounts_below(table.read_text(encoding="utf-8"), folder):
        run(["umount", "--lazy", str(point)])


def remove_tree(folder: Path) -> None:
    """Remove the folder, after unmounting: following a mounted /proc or /dev would destroy more than the folder."""
    unmount_below(folder)
    shutil.rmtree(folder)
