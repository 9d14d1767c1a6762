"""What a shell offers for the word being typed, and the programs that an installation puts on the PATH."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from maraudersmap_operator.cli import main
from maraudersmap_operator.cli.complete import FILES, NO_FILES, SCRIPTS, suggestions

ROOT = Path(__file__).parents[4]


def lookup(what: str, known: argparse.Namespace) -> list[str]:
    """Names of a cluster in which `known` is asked for."""
    return (
        [f"{known.namespace or 'here'}-map"] if what == "name" else [f"bcdfgh24-of-{known.name}", "zxwvts56"]
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["expl"], ["explain"]),
        (["re"], ["retry", "resume", "restart"]),
        (["status", ""], ["here-map"]),
        (["-n", "owlery", "status", "o"], ["owlery-map"]),
        (["status", "--namespace=owlery", ""], ["owlery-map"]),
        (["status", "map", "--for", ""], ["ready", "available", "rolled-back"]),
        (["status", "map", "--f"], ["--for"]),
        (["undo", "map", "--to", "b"], ["bcdfgh24-of-map"]),
        (["diff", "map", "zxwvts56", "z"], ["zxwvts56"]),
        (["completion", "f"], ["fish"]),
        (["support-bundle", "map", "--op"], ["--operator-namespace"]),
        (["promote", "map", ""], []),
    ],
)
def test_what_may_follow(words: list[str], offered: list[str]) -> None:
    assert suggestions(words, lookup) == (offered, NO_FILES)


def test_where_a_file_is_meant_the_shell_offers_files() -> None:
    assert suggestions(["support-bundle", "map", "-o", ""], lookup) == ([], FILES)
    assert suggestions(["--kubeconfig", ""], lookup) == ([], FILES)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_is_printed_and_is_one(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script == SCRIPTS[shell]
    assert "kubectl_complete-marauders" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=60)


def test_bash_offers_what_the_program_answers(tmp_path: Path) -> None:
    fake = tmp_path / "kubectl_complete-marauders"
    fake.write_text('#!/bin/sh\nprintf "retry\\nresume\\nrestart\\n:4\\n"\n')
    fake.chmod(0o755)
    ask = (
        f"{SCRIPTS['bash']}\nCOMP_WORDS=(kubectl-marauders res); COMP_CWORD=1; _kubectl_marauders\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    answer = subprocess.run(
        ["/bin/bash", "-c", ask],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.split() == ["resume", "restart"]


def test_an_installation_puts_both_programs_on_the_path() -> None:
    """kubectl finds a plugin, and what completes it, by these very names."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert {"kubectl-marauders", "kubectl_complete-marauders"} <= set(scripts)
    for entry in scripts.values():
        module, _, function = entry.partition(":")
        assert callable(getattr(import_module(module), function))
