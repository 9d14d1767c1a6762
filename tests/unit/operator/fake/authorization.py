"""Who may do what: RBAC rules as in a Role, asked for each request as the API server does, and counted.

`Rights.of(rules)` refuses whatever no rule allows, in the sentence of the real API server (the contract compares the two).
`used` counts what was asked: the proof that nothing is granted in vain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, Kind

from .faults import Call
from .problems import Problem, resource

Manifest = dict[str, Any]
USER = "system:serviceaccount:marauders-system:marauders-operator"
_VERBS = {
    "get": "get",
    "version": "get",
    "list": "list",
    "watch": "watch",
    "logs": "get",
    "create": "create",
    "replace": "update",
    "delete": "delete",
}
_SUBRESOURCES = {"logs": "log", "scale": "scale", "apply_status": "status", "replace_status": "status"}


class Right(NamedTuple):
    """One verb on one resource. `resource` with its subresource, as rules spell it: `pods/log`."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


FINALIZERS = Right(MARAUDERSMAP.group, f"{MARAUDERSMAP.plural}/finalizers", "update")


class Rights:
    """`granted` None: everything is allowed, and only counted."""

    def __init__(self, granted: Iterable[Right] | None = None, *, user: str = USER) -> None:
        self.granted = None if granted is None else frozenset(granted)
        self.used: Counter[Right] = Counter()
        self.refused: list[str] = []
        self._user = user

    @classmethod
    def of(cls, rules: Iterable[Manifest]) -> Rights:
        return cls(rights_in(rules))

    def check(self, call: Call, body: Manifest | None = None, *, exists: bool = True) -> None:
        """Raises Problem. `body`: what is written; `exists`: an apply of what does not exist creates it."""
        if call.verb in ("schema", "served"):
            return  # the published schema and the lists of kinds are open to everyone who has signed in (system:discovery)
        for right in rights_of(call, exists=exists):
            self._ask(right, call)
        if call.verb in ("create", "apply", "replace") and _blocks(body or {}):
            self._finalizers(call)

    def watch(self, kind: Kind, namespace: str | None) -> None:
        """kopf's way: a list, then a watch from there. Raises Problem."""
        for verb in ("list", "watch"):
            self._ask(Right(kind.group, kind.plural, verb), Call(verb, kind, namespace or "", ""))

    def _ask(self, right: Right, call: Call) -> None:
        self.used[right] += 1
        if self.granted is not None and right not in self.granted:
            self._refuse(refused(right, call, self._user))

    def _finalizers(self, call: Call) -> None:
        """The admission plug-in OwnerReferencesPermissionEnforcement, which some distributions switch on."""
        self.used[FINALIZERS] += 1
        if self.granted is not None and FINALIZERS not in self.granted:
            message = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: "
            self._refuse(f'{resource(call.kind)} "{call.name}" is forbidden: {message}, <nil>')

    def _refuse(self, sentence: str) -> None:
        self.refused.append(sentence)
        raise Problem(403, sentence)


def rights_of(call: Call, *, exists: bool = True) -> list[Right]:
    """What a request needs; `exists`: an apply of what does not exist creates it."""
    kind, subresource = call.kind, _SUBRESOURCES.get(call.verb, "")
    name = kind.plural + (f"/{subresource}" if subresource else "")
    found = [Right(kind.group, name, _VERBS.get(call.verb, "patch"))]
    if call.verb == "apply" and not exists:
        found.append(Right(kind.group, name, "create"))
    return found


def refused(right: Right, call: Call, user: str) -> str:
    """The sentence of the real API server."""
    who, where = f'User "{user}"', f'in the namespace "{call.namespace}"'
    if not call.namespace:
        where = "at the cluster scope"
    named = f' "{call.name}"' if call.name and right.verb != "create" else ""
    return (
        f"{resource(call.kind)}{named} is forbidden: {who} cannot {right.verb} resource "
        f'"{right.resource}" in API group "{right.group}" {where}'
    )


def rights_in(rules: Iterable[Manifest]) -> Iterator[Right]:
    """Each right that the rules grant."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for name in rule["resources"]:
                for verb in rule["verbs"]:
                    yield Right(group, name, verb)


def _blocks(body: Manifest) -> bool:
    refs = (body.get("metadata") or {}).get("ownerReferences") or ()
    return any(r.get("blockOwnerDeletion") for r in refs)


__all__ = ["FINALIZERS", "Right", "Rights", "refused", "rights_in", "rights_of"]
