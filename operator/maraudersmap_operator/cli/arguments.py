"""The command line: verbs and options, with the help of each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .output import Format
from .verbs import Verb
from .watch import Goal

DEFAULT_TIMEOUT = 300.0
# Another replica of the operator takes over once the lease of 15 s has run out, and reads everything first.
DEFAULT_WAIT = 30.0
DEFAULT_SINCE = 24 * 3600.0
BUNDLE = "support-bundle"
COMPLETION = "completion"
SHELLS = ("bash", "zsh", "fish")
EPILOG = """\
exit codes: 0 done; 1 not found, refused, or not reached; 2 wrong usage; 130 interrupted
"""
# A line in the list of verbs, and the verb's own help.
REQUESTS: dict[Verb, tuple[str, str]] = {
    Verb.PROMOTE: (
        "let the candidate take the next steps now",
        "Take the candidate on without waiting for what it waits for: a pause, the rest of the bake.",
    ),
    Verb.ABORT: (
        "take the candidate back",
        "Stop the rollout: traffic to the stable revision, the candidate is rejected.",
    ),
    Verb.RETRY: (
        "try a rejected or held revision again",
        "Give the revision that the spec asks for another try, after it was rejected or held.",
    ),
    Verb.UNDO: (
        "go back to an earlier revision",
        "Go back to the revision that was stable before, or to the one given. The spec stays as it is.",
    ),
    Verb.PAUSE: (
        "stop rollouts where they are",
        "Set spec.rollout.paused: no new revision goes further. Who keeps the spec in Git sets it there.",
    ),
    Verb.RESUME: ("let rollouts go on", "Clear spec.rollout.paused."),
    Verb.RESTART: (
        "replace the pods one after the other",
        "Replace the pods of the serving revision, none of them before its successor is ready.",
    ),
}


@dataclass(frozen=True, slots=True)
class Arguments:
    verb: str
    name: str | None
    namespace: str | None
    context: str | None
    kubeconfig: str | None
    format: Format
    watch: bool = False
    goal: Goal | None = None
    timeout: float | None = None  # seconds; None: for ever
    wait: float = 0.0  # seconds
    to: str | None = None
    revisions: tuple[str, ...] = ()
    archive: Path | None = None  # of the support bundle; None: named after resource and time
    force: bool = False
    since: float = DEFAULT_SINCE  # seconds
    operator_namespace: str = ""
    shell: str = ""


def parse(argv: Sequence[str] | None) -> Arguments:
    """Read the command line (None: the process's). Exits with 2 on wrong usage, with 0 after --help."""
    parser = command_line()
    found = parser.parse_args(argv)
    if found.verb is None:
        parser.print_help()
        parser.exit(2)
    given = vars(found)
    goal = Goal(given["goal"]) if given.get("goal") else None
    if goal is not None and not given.get("name"):
        parser.error("--for needs the NAME of one resource")
    timeout = given.get("timeout")
    return Arguments(
        verb=found.verb,
        name=given.get("name"),
        namespace=given.get("namespace"),
        context=given.get("context"),
        kubeconfig=given.get("kubeconfig"),
        format=Format(given.get("output", "text")),
        watch=bool(given.get("watch")) or goal is not None,
        goal=goal,
        timeout=timeout if timeout is not None or goal is None else DEFAULT_TIMEOUT,
        wait=given.get("wait", 0.0),
        to=given.get("to"),
        revisions=tuple(given.get("revisions") or ()),
        archive=given.get("archive"),
        force=bool(given.get("force")),
        since=given.get("since", DEFAULT_SINCE),
        operator_namespace=given.get("operator_namespace", ""),
        shell=given.get("shell", ""),
    )


def command_line() -> argparse.ArgumentParser:
    """The parser; shell completion walks through it as well."""
    # SUPPRESS: an option before the verb is not undone by the verb's own default.
    place = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    place.add_argument("-n", "--namespace", help="where the resource is (default: the context's)")
    place.add_argument("--context", help="context of the kubeconfig")
    place.add_argument("--kubeconfig", help="file to use (default: $KUBECONFIG, then ~/.kube/config)")
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, parents=[place])
    common.add_argument("-o", "--output", choices=[str(f) for f in Format], help="text (default) or json")
    parser = argparse.ArgumentParser(
        prog="kubectl marauders",
        description="See and steer the rollouts of MaraudersMap resources.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")

    def add(
        name: str,
        help: str,  # noqa: A002
        description: str,
        *,
        needs_name: bool = True,
        options: argparse.ArgumentParser = common,
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help, description=description, parents=[options], epilog=EPILOG)
        sub.add_argument(
            "name", metavar="NAME", nargs=None if needs_name else "?", help="name of the MaraudersMap"
        )
        return sub

    status = add(
        "status",
        "the resource, its conditions, revisions and pods",
        "Show the resource, its conditions, its revisions and their pods. Without NAME: every one of the namespace.",
        needs_name=False,
    )
    status.add_argument("-w", "--watch", action="store_true", help="keep showing it as it changes")
    status.add_argument(
        "--for",
        dest="goal",
        choices=[str(g) for g in Goal],
        help="watch until it is so; ends with 1 when it cannot become so without somebody's help",
    )
    status.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help=f"stop watching then, with 1 ({DEFAULT_TIMEOUT:.0f} with --for, else never)",
    )
    add(
        "explain",
        "why it is as it is, and what to do",
        "Say why it is as it is: verdict, evidence, what to do next.",
    )
    add("history", "past rollouts and recorded revisions", "List past rollouts, the newest first.")
    diff = add(
        "diff",
        "what differs between two revisions",
        "Compare the pods of two revisions. Without REV: the stable one and the one that the spec asks for; "
        "with one: that and the stable one.",
    )
    diff.add_argument(
        "revisions", nargs="*", metavar="REV", help="hash, its beginning, or number (see history)"
    )
    _add_bundle(
        add(
            BUNDLE,
            "everything an engineer would ask for, masked, in one archive",
            "Write the resource, what belongs to it, Events, logs, the operator's logs and the nodes into a tar.gz. "
            "Values of Secrets are in no file. What may not be read is named in its index.txt.",
            options=place,
        )
    )
    completion = verbs.add_parser(
        COMPLETION,
        help="the script that has a shell complete `kubectl-marauders`",
        description="Print the script; `kubectl marauders` itself is completed by kubectl's own completion.",
    )
    completion.add_argument("shell", choices=SHELLS)
    for verb, (help_, description) in REQUESTS.items():
        sub = add(str(verb), help_, description)
        sub.add_argument(
            "--wait",
            type=_seconds,
            default=DEFAULT_WAIT,
            metavar="SECONDS",
            help=f"how long the operator has to take it up ({DEFAULT_WAIT:.0f}; 0: do not wait)",
        )
        if verb is Verb.UNDO:
            sub.add_argument("--to", metavar="REV", help="hash, its beginning, or number (see history)")
    return parser


def _add_bundle(bundle: argparse.ArgumentParser) -> None:
    # Not the option for formats that other verbs have: one archive is all that it writes.
    bundle.add_argument(
        "-o",
        "--output",
        dest="archive",
        type=Path,
        metavar="FILE",
        help="the archive (default: marauders-NAMESPACE-NAME-TIME.tar.gz here)",
    )
    bundle.add_argument("--force", action="store_true", help="replace FILE when it exists")
    bundle.add_argument(
        "--since", type=_seconds, default=DEFAULT_SINCE, metavar="SPAN", help="logs no older than that (24h)"
    )
    bundle.add_argument(
        "--operator-namespace",
        default="marauders-system",
        metavar="NAMESPACE",
        help="where the operator runs (marauders-system)",
    )


def _seconds(text: str) -> float:
    """`90`, `90s` or `5m`."""
    number, factor = (
        (text[:-1], {"s": 1, "m": 60, "h": 3600}[text[-1]]) if text[-1:] in ("s", "m", "h") else (text, 1)
    )
    try:
        seconds = float(number) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90, 90s or 5m") from None
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait")
    return seconds
