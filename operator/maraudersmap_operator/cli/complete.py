"""Shell completion: what may follow the words typed so far, and the scripts that have a shell ask for it.

kubectl asks a program named `kubectl_complete-marauders`, with the words after the plugin's name, the one being typed last
(empty between two). It answers one suggestion a line and a last line with cobra's directive.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence

from kubernetes.aio.config import ConfigException

from maraudersmap_operator.cluster import ClusterError
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, MARAUDERSMAP
from maraudersmap_operator.resource.names import LABEL_INSTANCE

from .arguments import SHELLS, command_line
from .connection import connect
from .read import SELECTOR
from .snapshot import record_of

NO_FILES, FILES = 4, 0  # cobra's ShellCompDirectiveNoFileComp and ShellCompDirectiveDefault
# Somebody waits at a prompt.
ASK_SECONDS = 2.0
BASH = """\
_kubectl_marauders() {
    local IFS=$'\\n' found
    found="$(kubectl_complete-marauders "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | sed '$d')"
    COMPREPLY=($(compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _kubectl_marauders kubectl-marauders
"""
ZSH = """\
#compdef kubectl-marauders
_kubectl_marauders() {
    local -a found
    found=(${(f)"$(kubectl_complete-marauders "${(@)words[2,CURRENT]}" 2>/dev/null | sed '$d')"})
    if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _kubectl_marauders kubectl-marauders
"""
FISH = """\
function __kubectl_marauders
    set -l words (commandline -opc) (commandline -ct)
    kubectl_complete-marauders $words[2..-1] 2>/dev/null | sed '$d'
end
complete -c kubectl-marauders -a '(__kubectl_marauders)'
"""
SCRIPTS = dict(zip(SHELLS, (BASH, ZSH, FISH), strict=True))

Lookup = Callable[[str, argparse.Namespace], list[str]]
"""The names that an argument may have: `name`, or `revisions` of the resource that the words name."""


def main(argv: Sequence[str] | None = None) -> int:
    """`kubectl_complete-marauders`: suggestions for the last word."""
    words = list(sys.argv[1:] if argv is None else argv) or [""]
    found, directive = suggestions(words, _ask)
    sys.stdout.write("".join(f"{s}\n" for s in found) + f":{directive}\n")
    return 0


def suggestions(words: Sequence[str], lookup: Lookup) -> tuple[list[str], int]:
    """What the last word may become, and whether file names are meant instead."""
    *before, current = words
    parser = command_line()
    known = argparse.Namespace(namespace=None, context=None, kubeconfig=None, name=None)
    left = list(_positionals(parser))
    words_left = iter(before)
    for word in words_left:
        if word.startswith("-"):
            option = _option(parser, word.partition("=")[0])
            if option is not None and option.nargs != 0:
                value = word.partition("=")[2] if "=" in word else next(words_left, None)
                if value is None:
                    return _values(option, current, lookup, known)
                setattr(known, option.dest, value)
            continue
        if not left:
            continue
        action = left[0]
        if isinstance(action, argparse._SubParsersAction):  # argparse has no public way to its own tree
            parser = action.choices.get(word, parser)
            left = list(_positionals(parser))
            continue
        setattr(known, action.dest, word)
        if action.nargs != "*":
            left.pop(0)
    if current.startswith("-"):
        return [o for a in parser._actions for o in a.option_strings if o.startswith(current)], NO_FILES
    return _values(left[0], current, lookup, known) if left else ([], NO_FILES)


def _values(
    action: argparse.Action, current: str, lookup: Lookup, known: argparse.Namespace
) -> tuple[list[str], int]:
    if action.dest in ("archive", "kubeconfig"):
        return [], FILES
    if action.choices is not None:
        offered = [str(c) for c in action.choices]
    elif action.dest in ("name", "to", "revisions"):
        offered = lookup("name" if action.dest == "name" else "revisions", known)
    else:
        offered = []
    return [o for o in offered if o.startswith(current)], NO_FILES


def _positionals(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (a for a in parser._actions if not a.option_strings)


def _option(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    return next((a for a in parser._actions if name in a.option_strings), None)


def _ask(what: str, known: argparse.Namespace) -> list[str]:
    """From the cluster; nothing when it cannot be asked, since a prompt is no place for an error."""
    try:
        return asyncio.run(_read(what, known))
    except (ClusterError, ConfigException, OSError, TimeoutError):
        return []


async def _read(what: str, known: argparse.Namespace) -> list[str]:
    async with (
        asyncio.timeout(ASK_SECONDS),
        connect(known.kubeconfig, known.context, known.namespace) as session,
    ):
        if what == "name":
            listing = await session.cluster.list(MARAUDERSMAP, session.namespace)
            return sorted(o["metadata"]["name"] for o in listing.items)
        selector = f"{SELECTOR},{LABEL_INSTANCE}={known.name}"
        records = await session.cluster.list(CONTROLLER_REVISION, session.namespace, selector)
        return sorted(r.revision for r in map(record_of, records.items) if r.revision)
