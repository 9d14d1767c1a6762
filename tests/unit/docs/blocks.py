"""The fenced blocks of the documents, and the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.unit.docs.test_names_exist import ROOT

# From an opening fence to the next one: a closing fence of one block must never be taken for the opening of another.
FENCED = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`document` is its path from the root; `language` is empty where none is given."""

    document: str
    language: str
    text: str

    def commands(self) -> list[str]:
        """What is typed: after `$ `, comments kept, continued lines joined. Empty for other languages than console."""
        if self.language != "console":
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line[2:].strip() for line in lines if line.startswith("$ ")]


def blocks() -> list[Block]:
    """All of them, document by document."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [
        Block(str(document.relative_to(ROOT)), language, text)
        for document in sorted(documents)
        for language, text in FENCED.findall(document.read_text(encoding="utf-8"))
    ]


def commands() -> list[tuple[str, str]]:
    """(document, command) of every block."""
    return [(block.document, command) for block in blocks() for command in block.commands()]


def words(command: str) -> list[str]:
    """Of the first of several piped commands; variables set for it are left out."""
    first = re.split(r"(?<!\S)(?:\||&&)(?!\S)", command)[0]
    split = shlex.split(first, comments=True)
    while split and re.fullmatch(r"[A-Z_]+=.*", split[0]):
        split.pop(0)
    return split
