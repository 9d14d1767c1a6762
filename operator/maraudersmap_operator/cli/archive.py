"""A tar.gz that is there whole or not at all: written beside its place, and moved there when it is complete."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


class Exists(Exception):
    """The message names the file."""


class Archive:
    """Files below one directory, readable by their owner only."""

    def __init__(self, tar: tarfile.TarFile, root: str, made_at: datetime) -> None:
        self._tar = tar
        self._root = root
        self._time = int(made_at.timestamp())
        self.sizes: dict[str, int] = {}  # bytes, by path

    def add(self, path: str, text: str) -> None:
        content = text.encode("utf-8", errors="replace")
        entry = tarfile.TarInfo(f"{self._root}/{path}")
        entry.size, entry.mtime, entry.mode = len(content), self._time, 0o600
        self._tar.addfile(entry, io.BytesIO(content))
        self.sizes[path] = len(content)


@contextmanager
def writing(target: Path, root: str, made_at: datetime, *, overwrite: bool) -> Iterator[Archive]:
    """An archive that takes its place when the block ends well; otherwise nothing is left of it.

    Raises Exists when something is at the target and `overwrite` is False, OSError when it cannot be written.
    """
    _refuse(target, overwrite=overwrite)
    # The same directory: a move from another file system would be a copy, which can end half-way.
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            yield Archive(tar, root, made_at)
        _refuse(target, overwrite=overwrite)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _refuse(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise Exists(f"{target} exists; --force replaces it, --output chooses another name")
