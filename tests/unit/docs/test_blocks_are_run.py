"""Each command in a document's block is run by a test, on the real thing, or listed with the reason why none does.

And the blocks that are no commands are what the programs take and print.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml
from tests.unit.docs.blocks import Block, blocks, commands, words
from tests.unit.docs.run_by import NOT_RUN, RUN_BY
from tests.unit.docs.test_names_exist import ROOT

from maraudersmap_operator.resource import MaraudersMapSpec

# Languages whose blocks somebody types, reads as input of a program, or only looks at.
TYPED, INPUT, LOOKED_AT = {"console"}, {"yaml", "json", "sql"}, {"mermaid", ""}
A_COMMAND = re.compile(r"^(?:\$ )?(?:make|kubectl|helm|docker|curl|pip|python3?|git|npm|psql|pg_\w+|export) ")
PROGRAM = re.compile(r"^(?:PYTHONPATH=\S+ )?\S*python3? -m ((?:dev|bench)[\w.]*)((?: .*)?)$")

COMMANDS = commands()
MADE = sorted({command for _, command in COMMANDS if words(command)[0] == "make"})


BLOCKS = blocks()


def of(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{block.document}: {block.text[:40]}")
        for block in BLOCKS
        if block.language == language
    ]


def test_every_block_is_of_a_known_kind_and_commands_are_written_as_such() -> None:
    assert {block.language for block in BLOCKS} <= TYPED | INPUT | LOOKED_AT
    assert [
        (block.document, line)
        for block in BLOCKS
        if block.language in LOOKED_AT
        for line in block.text.splitlines()
        if A_COMMAND.match(line)
    ] == []


@pytest.mark.parametrize("command", [pytest.param(c, id=f"{d}: {c[:60]}") for d, c in COMMANDS])
def test_a_command_is_run_by_a_test_or_it_is_said_why_not(command: str) -> None:
    if any(re.match(pattern, command) for pattern in NOT_RUN):
        return
    found = [where for pattern, where in RUN_BY.items() if re.match(pattern, command)]
    assert found, "no test runs it: write one, and an entry in tests/unit/docs/run_by.py"
    file, shown = found[0]
    assert shown in (ROOT / file).read_text(encoding="utf-8")


def test_the_runbook_is_run_whole() -> None:
    """What the person on duty types at night is never only a listed reason."""
    assert [
        command
        for document, command in COMMANDS
        if document == "docs/runbook.md" and any(re.match(pattern, command) for pattern in NOT_RUN)
    ] == []


def test_no_entry_is_for_a_command_that_is_gone() -> None:
    assert [
        pattern
        for pattern in (*RUN_BY, *NOT_RUN)
        if not any(re.match(pattern, command) for _, command in COMMANDS)
    ] == []


class Taken(Exception):
    """A program's parser has accepted its arguments: it goes no further."""


def _started_early(*_: Any, **__: Any) -> None:
    raise AssertionError("it does something before it looks at its arguments")


# That a test has imported the same module before does no harm: nothing of it is run.
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", MADE)
def test_the_program_behind_a_target_takes_what_make_hands_on(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = subprocess.run(
        ["make", "--dry-run", *words(command)[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: argparse.ArgumentParser, *arguments: Any) -> None:
        parse(parser, *arguments)
        raise Taken

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.setattr(subprocess.Popen, "__init__", _started_early)
    for line in recipe.stdout.splitlines():
        if found := PROGRAM.match(line):
            monkeypatch.setattr(sys, "argv", [found[1], *shlex.split(found[2])])
            with pytest.raises(Taken):
                runpy.run_module(found[1], run_name="__main__")


@pytest.mark.parametrize("block", of("yaml"))
def test_resources_are_as_the_definition_has_them(block: Block) -> None:
    for document in yaml.safe_load_all(block.text):
        if document.get("kind", "MaraudersMap") == "MaraudersMap":
            spec = {"image": "i", "database": {"evaluation": {}}} | document["spec"]
            MaraudersMapSpec.model_validate(spec)


@pytest.mark.parametrize("block", of("json"))
def test_reports_are_those_of_smoke(block: Block) -> None:
    """Field by field; tests/component/api/test_smoke.py has the values."""
    report = (ROOT / "api_service/maraudersmap_api/smoke/run.py").read_text(encoding="utf-8")
    assert [key for key in json.loads(block.text) if f'"{key}": ' not in report] == []


@pytest.mark.parametrize("block", of("sql"))
def test_statements_are_executed_by_a_test(block: Block) -> None:
    by = (ROOT / "tests/component/api/test_pooler.py").read_text(encoding="utf-8")
    assert f'"{block.document}"' in by


def test_the_table_of_the_readme_has_the_columns_of_the_definition() -> None:
    (shown,) = (b.text for b in BLOCKS if b.text.startswith("$ kubectl get mm\nNAME"))
    definition = yaml.safe_load((ROOT / "crds/hogwarts.edu_maraudersmaps.yaml").read_text(encoding="utf-8"))
    columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
    assert shown.splitlines()[1].split() == ["NAME", *(c["name"] for c in columns if not c.get("priority"))]
