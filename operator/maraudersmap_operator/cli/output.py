"""Where commands speak: colours on a terminal, plain lines into pipes and files, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TextIO

from pydantic import BaseModel

from .tree import Node, Tone, plain

try:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text
    from rich.tree import Tree
except ModuleNotFoundError:  # installed without the `cli` extra: everything works, without colours
    RICH = False
else:
    RICH = True

STYLES = {
    Tone.PLAIN: "",
    Tone.STRONG: "bold",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.WARN: "yellow",
    Tone.DIM: "dim",
}


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


class Output:
    """One command's standard output. `terminal`: somebody watches, and colours are known to work."""

    def __init__(self, format: Format, stream: TextIO | None = None) -> None:  # noqa: A002  # the option's name
        self.format = format
        self._stream = stream or sys.stdout
        dumb = os.environ.get("TERM", "") in ("", "dumb")
        self.terminal = RICH and format is Format.TEXT and self._stream.isatty() and not dumb

    def tree(self, root: Node) -> None:
        if self.terminal:
            Console(file=self._stream, highlight=False).print(_rich(root))
        else:
            self.lines(plain(root))

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._stream.write(line + "\n")
        self._stream.flush()

    def json(self, value: Any, *, compact: bool = False) -> None:
        """`compact`: on one line, for streams of objects."""
        self.lines([json.dumps(to_json(value), indent=None if compact else 2, ensure_ascii=False)])

    def live(self) -> LiveView:
        """A picture that is drawn again in place. On a terminal only."""
        return LiveView(Console(file=self._stream, highlight=False))


class LiveView:
    def __init__(self, console: Any) -> None:
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, roots: Iterable[Node]) -> None:
        self._live.update(Group(*map(_rich, roots)), refresh=True)


def _rich(root: Node) -> Tree:
    tree = Tree(_text(root), guide_style="dim")
    for child in root.children:
        _hang(tree, child)
    return tree


def _hang(parent: Tree, child: Node) -> None:
    branch = parent.add(_text(child))
    for grandchild in child.children:
        _hang(branch, grandchild)


def _text(line: Node) -> Text:
    return Text.assemble(*((s.text, STYLES[s.tone]) for s in line.spans))


def to_json(value: Any) -> Any:
    """Plain data with the field names of the API: camelCase, times in RFC 3339."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return {_camel(f.name): to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {k: to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
