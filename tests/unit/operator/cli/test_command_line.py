"""Options, exit codes, and that output into a pipe is plain."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest

from maraudersmap_operator.cli import main
from maraudersmap_operator.cli.ages import short
from maraudersmap_operator.cli.arguments import parse
from maraudersmap_operator.cli.output import Format, Output
from maraudersmap_operator.cli.status import status_tree
from maraudersmap_operator.cli.verbs import Verb
from maraudersmap_operator.cli.watch import Goal

from . import given


@pytest.mark.parametrize(
    "line", ["-n owlery -o json status map", "status map -n owlery -o json", "-n owlery status -o json map"]
)
def test_options_stand_before_or_after_the_verb(line: str) -> None:
    found = parse(line.split())
    assert (found.verb, found.name, found.namespace, found.format) == ("status", "map", "owlery", Format.JSON)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("0", 0)])
def test_times(text: str, seconds: float) -> None:
    found = parse(["status", "map", "--for", "ready", "--timeout", text])
    assert (found.goal, found.timeout, found.watch) == (Goal.READY, seconds, True)


def test_a_goal_has_an_end_by_itself_and_a_mere_watch_has_none() -> None:
    assert parse(["status", "map", "--for=ready"]).timeout == 300
    assert parse(["status", "--watch"]).timeout is None


@pytest.mark.parametrize(
    "line",
    ["", "dance", "explain", "retry", "status --for=ready", "status map --for=rich", "undo map --wait=soon", "status a b",
     "status map --timeout=-1", "pause map -o yaml"],
)  # fmt: skip
def test_wrong_usage_ends_with_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(line.split())
    assert exit_.value.code == 2
    printed = capsys.readouterr()
    assert "usage: kubectl marauders" in printed.out + printed.err


@pytest.mark.parametrize("verb", ["status", "explain", "history", "diff", *Verb])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([verb, "--help"])
    assert exit_.value.code == 0
    assert "--namespace" in capsys.readouterr().out


def test_no_cluster_is_an_error_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--kubeconfig", str(tmp_path / "none")]) == 1
    printed = capsys.readouterr().err
    assert "no cluster: set KUBECONFIG" in printed
    assert f"{tmp_path / 'none'} does not exist" in printed


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"all:\n\techo no YAML\n", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"a sentence", "is no kubeconfig"),
        (b"", "is no kubeconfig"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named(
    content: bytes,
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(content)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{wrong}")
    assert main(["status"]) == 1
    printed = capsys.readouterr().err
    assert f"{wrong} {what}" in printed
    assert len(printed.splitlines()) == 1


def test_output_into_a_pipe_has_no_colours_and_json_has_the_names_of_the_api() -> None:
    stream = io.StringIO()
    snapshot = given.snapshot(given.resource(given.healthy()))
    Output(Format.TEXT, stream).tree(status_tree(snapshot, given.NOW))
    assert "\x1b" not in stream.getvalue()
    stream = io.StringIO()
    Output(Format.JSON, stream).json({"pods": snapshot.pods, "status": snapshot.status})
    printed = json.loads(stream.getvalue())
    assert printed["pods"][0]["createdAt"] == given.before(201)
    assert printed["status"]["stable"]["revision"] == given.STABLE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-5, "0s"), (47.9, "47s"), (312, "5m12s"), (11040, "3h4m"), (432000, "5d")],
)
def test_ages_have_two_units_at_most(seconds: float, text: str) -> None:
    assert short(timedelta(seconds=seconds)) == text
