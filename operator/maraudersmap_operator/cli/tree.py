"""A tree of short texts with tones: what commands print, before it is known where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """The meaning of a piece of text; only a terminal turns it into a colour."""

    PLAIN = "plain"
    STRONG = "strong"
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    DIM = "dim"


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Node:
    spans: tuple[Span, ...]
    children: tuple[Node, ...] = ()

    @property
    def text(self) -> str:
        return "".join(s.text for s in self.spans)


def node(*spans: Span | str, children: tuple[Node, ...] | list[Node] = ()) -> Node:
    return Node(tuple(s if isinstance(s, Span) else Span(s) for s in spans), tuple(children))


def plain(root: Node) -> Iterator[str]:
    """The tree as lines without colours, for pipes, files and tests."""
    yield root.text
    yield from _branches(root, "")


def _branches(parent: Node, indent: str) -> Iterator[str]:
    for index, child in enumerate(parent.children):
        last = index == len(parent.children) - 1
        yield f"{indent}{'└─ ' if last else '├─ '}{child.text}"
        yield from _branches(child, indent + ("   " if last else "│  "))
