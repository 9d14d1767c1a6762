"""Commands in the documents' blocks: each is one that exists, with options that it takes."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from dev.cluster.network.kind_config import REGISTRY
from tests.unit.docs.blocks import commands, words
from tests.unit.docs.test_names_exist import ROOT

from maraudersmap_operator.cli.arguments import parse
from maraudersmap_operator.resource import MaraudersMapSpec

MAKEFILES = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "dev/dev.mk"))
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILES, re.MULTILINE))
# Programs of others. What they are asked to do is not checked beyond the files and resources that they are given.
FOREIGN = {
    "kubectl", "helm", "docker", "curl", "pg_dump", "pg_restore", "psql", "createdb", "pip", "export",
    "git", "python3",
}  # fmt: skip
KUBECTL = {
    "annotate", "apply", "create", "delete", "describe", "explain", "get", "krew", "label", "logs", "marauders", "patch",
    "port-forward", "scale", "set", "wait", "rollout", "run", "edit", "auth", "exec", "cp", "replace",
}  # fmt: skip


COMMANDS = [pytest.param(command, id=f"{document}: {command[:60]}") for document, command in commands()]


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("command", COMMANDS)
def test_the_program_is_known(command: str) -> None:
    program = words(command)[0]
    assert program in FOREIGN | {"make"} or (ROOT / program).exists()


@pytest.mark.parametrize("command", [c for c in COMMANDS if str(c.values[0]).startswith("make ")])
def test_make_knows_the_target_and_its_variables(command: str) -> None:
    for word in words(command)[1:]:
        name, is_variable, _ = word.partition("=")
        if is_variable:
            assert re.search(rf"\$\({name}\)|\$\(if \$\({name}\)|^{name} \?=", MAKEFILES, re.MULTILINE), word
        else:
            assert name in TARGETS


@pytest.mark.parametrize("command", [c for c in COMMANDS if "kubectl marauders" in str(c.values[0])])
def test_the_plugin_takes_it(command: str) -> None:
    arguments = words(command)[2:]
    if arguments == ["--help"]:  # which prints, and ends
        with pytest.raises(SystemExit, match="0"):
            parse(arguments)
    else:
        parse(arguments)


@pytest.mark.parametrize("command", [c for c in COMMANDS if str(c.values[0]).startswith("kubectl ")])
def test_kubectl_is_given_what_exists(command: str) -> None:
    split = words(command)[1:]
    plain = [
        w
        for i, w in enumerate(split)
        if not w.startswith("-") and (i == 0 or split[i - 1] not in ("-n", "--context"))
    ]
    assert plain[0] in KUBECTL
    for option, value in itertools.pairwise(split):
        if option in ("-f", "-k", "--patch-file") and not value.startswith(("dist/", "-", "http")):
            assert (ROOT / value).exists(), value
        if option == "-p":
            patch = json.loads(value)
            # Without a registry's name it is Docker Hub's, which need not be reachable: then nothing is rolled back.
            assert patch["spec"].get("image", REGISTRY).startswith(REGISTRY)
            MaraudersMapSpec.model_validate({"image": "i", "database": {"evaluation": {}}, **patch["spec"]})


def test_files_of_docker_builds_exist() -> None:
    for _, command in commands():
        split = words(command)
        if split[:2] == ["docker", "build"]:
            assert (ROOT / split[split.index("-f") + 1]).exists()
