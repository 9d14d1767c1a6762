"""From the command line to an exit code."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubernetes.aio.config import ConfigException

from maraudersmap_operator.cluster import ClusterError, Refused
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP

from . import difference, explain, history
from .archive import Exists
from .arguments import BUNDLE, COMPLETION, Arguments, parse
from .bundle import Wish, support_bundle
from .complete import SCRIPTS
from .connection import Session, connect
from .following import following
from .output import Format, Output
from .read import NoSuchResource, read_all, read_one, status_only
from .snapshot import NotUnderstood, Snapshot
from .status import image_of, revisions, roles, status_tree
from .verbs import CannotAct, Verb, acted_upon, request
from .watch import GoalState, watch

DONE, FAILED, INTERRUPTED = 0, 1, 130
LOOK_AGAIN_SECONDS = 0.25


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Wrong usage exits with 2 by itself."""
    arguments = parse(argv)
    output = Output(arguments.format)
    if arguments.verb == COMPLETION:
        sys.stdout.write(SCRIPTS[arguments.shell])
        return DONE
    try:
        return asyncio.run(_run(arguments, output))
    except (NoSuchResource, NotUnderstood, CannotAct, Exists) as error:
        return _fail(str(error))
    except ConfigException as error:
        return _fail(f"no cluster: set KUBECONFIG, or pass --kubeconfig and --context ({error})")
    except Refused as error:
        return _fail(f"the API server refuses: {error.message}")
    except ClusterError as error:
        return _fail(f"no answer from the API server: {error.message}")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `| head` has seen enough. Else Python complains once more when it closes the stream.
        sys.stdout = None
        return DONE


async def _run(arguments: Arguments, output: Output) -> int:
    async with connect(arguments.kubeconfig, arguments.context, arguments.namespace) as session:
        if arguments.verb == "status":
            return await _status(session, arguments, output)
        assert arguments.name is not None
        if arguments.verb in tuple(Verb):
            return await _request(session, arguments.name, Verb(arguments.verb), arguments, output)
        now = datetime.now(UTC)
        if arguments.verb == BUNDLE:
            return await _bundle(session, arguments.name, arguments, output, now)
        events = arguments.verb == "explain"
        snapshot = await read_one(session.cluster, session.namespace, arguments.name, events=events)
        match arguments.verb:
            case "explain":
                explain.show(snapshot, output, now)
            case "history":
                history.show(snapshot, output, now)
            case "diff":
                difference.show(snapshot, arguments.revisions, output)
        return DONE


async def _bundle(session: Session, name: str, arguments: Arguments, output: Output, now: datetime) -> int:
    """Write the archive; its name is all that goes to standard output."""
    default = Path(f"marauders-{session.namespace}-{name}-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    wish = Wish(
        session.namespace,
        name,
        arguments.operator_namespace,
        timedelta(seconds=arguments.since),
        arguments.archive or default,
        arguments.force,
    )
    try:
        unread = await support_bundle(session.cluster, wish, now)
    except OSError as error:
        return _fail(f"{wish.target} cannot be written: {error.strerror}")
    if unread:
        sys.stderr.write(f"{len(unread)} parts could not be read: index.txt in the archive names them\n")
    output.lines([str(wish.target)])
    return DONE


async def _status(session: Session, arguments: Arguments, output: Output) -> int:
    if not arguments.watch:
        if arguments.name is None:
            _show(await read_all(session.cluster, session.namespace), False, output)
        else:
            _show([await read_one(session.cluster, session.namespace, arguments.name)], True, output)
        return DONE
    async with following(session.cluster, session.namespace, arguments.name) as picture:
        outcome = await watch(picture, output, arguments.goal, arguments.timeout)
    if outcome is GoalState.HOPELESS:
        return _fail(
            f"{arguments.name} does not get {arguments.goal} by itself; `kubectl marauders explain "
            f"{arguments.name}` shows why"
        )
    if outcome is GoalState.OPEN and arguments.goal is not None:
        return _fail(f"{arguments.name} is not {arguments.goal} after {arguments.timeout:.0f} s")
    return DONE


def _show(snapshots: list[Snapshot], one: bool, output: Output) -> None:
    if output.format is Format.JSON:
        shown = [_as_json(s) for s in snapshots]
        output.json(shown[0] if one else {"items": shown})
        return
    now = datetime.now(UTC)
    for snapshot in snapshots:
        output.tree(status_tree(snapshot, now))


def _as_json(snapshot: Snapshot) -> dict[str, object]:
    return {
        "namespace": snapshot.namespace,
        "name": snapshot.name,
        "generation": snapshot.generation,
        "status": snapshot.status,
        "revisions": [
            {
                "revision": revision,
                "number": record.number if (record := snapshot.record(revision)) else None,
                "image": image_of(snapshot, revision),
                "roles": roles(snapshot, revision),
                "pods": None if snapshot.pods is None else snapshot.pods_of(revision),
            }
            for revision in revisions(snapshot)
        ],
        "notes": snapshot.notes,
    }


async def _request(session: Session, name: str, verb: Verb, arguments: Arguments, output: Output) -> int:
    """Write the request, and see that the operator takes it up."""
    cluster, namespace = session.cluster, session.namespace
    token = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    asked = request(verb, await read_one(cluster, namespace, name), token, arguments.to)
    taken_up = None
    if asked.patch:
        await cluster.merge(MARAUDERSMAP, namespace, name, asked.patch)
        if arguments.wait and asked.at_once:
            taken_up = await _taken_up(session, name, lambda s: acted_upon(asked, s), arguments.wait)
    if output.format is Format.JSON:
        answer = {"namespace": namespace, "name": name, "verb": str(verb), "token": asked.token or None}
        output.json({**answer, "written": bool(asked.patch), "takenUp": taken_up, "message": asked.message})
    else:
        output.lines([asked.message])
    if taken_up is False:
        return _fail(
            f"the operator has not taken it up within {arguments.wait:.0f} s; it does so once it runs "
            "(see its pods in marauders-system), the request stays"
        )
    return DONE


async def _taken_up(session: Session, name: str, done: Callable[[Snapshot], bool], patience: float) -> bool:
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while not done(await status_only(session.cluster, session.namespace, name)):
        if loop.time() >= end:
            return False
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return True


def _fail(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return FAILED
