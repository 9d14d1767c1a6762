"""Each command of the runbook is run by a test, on the real thing. A new command needs one, and an entry here."""

from __future__ import annotations

import re

import pytest
from tests.unit.docs.test_commands import commands
from tests.unit.docs.test_names_exist import ROOT

# What it looks like -> the test that runs it, and what shows there that it does.
RUN_BY = {
    r"kubectl -n \$NS get mm": ("tests/cluster/scenario.py", '"get", "maraudersmaps"'),
    r"kubectl marauders explain ": ("tests/cluster/test_cli.py", 'editor("explain", NAME)'),
    r"kubectl marauders status .* --watch": ("tests/cluster/test_cli.py", 'editor("status", NAME, "--for='),
    r"kubectl marauders abort ": ("tests/cluster/test_cli.py", 'editor.json("abort", NAME)'),
    r"kubectl marauders undo ": ("tests/cluster/test_cli.py", 'editor("undo", NAME)'),
    r"kubectl marauders history ": ("tests/cluster/test_cli.py", 'editor.json("history", NAME)'),
    r"make deploy OVERLAY=production ": ("tests/cluster/test_deploy.py", "from dev.deploy import main"),
    r"make install .*DRY_RUN=yes": ("tests/cluster/test_install.py", '"--dry-run"'),
    r"make install ": ("tests/cluster/test_install.py", 'main(["install", "--image", IMAGE'),
    r".* patch mm marauders-map --type=merge -p '\{\"spec\":\{\"suspend\":true\}\}'": (
        "tests/cluster/test_suspend.py",
        "small.edit(suspend=True)",
    ),
    r".* patch mm marauders-map --type=merge -p '\{\"spec\":\{\"suspend\":false\}\}'": (
        "tests/cluster/test_suspend.py",
        "small.edit(suspend=False)",
    ),
    r".* wait --for=condition=Ready ": ("tests/cluster/test_topology.py", '"--for=condition=Ready"'),
    r"pg_dump |pg_restore |createdb |psql ": (
        "tests/component/api/test_runbook.py",
        "BACKUP, CHECK, RESTORE = blocks()",
    ),
}
COMMANDS = [command for document, command in commands() if document == "docs/runbook.md"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_runbook_is_run_by_a_test(command: str) -> None:
    file, shown = next(where for pattern, where in RUN_BY.items() if re.match(pattern, command))
    assert shown in (ROOT / file).read_text(encoding="utf-8")


def test_no_entry_is_for_a_command_that_is_gone() -> None:
    assert [p for p in RUN_BY if not any(re.match(p, command) for command in COMMANDS)] == []
