"""What may be written: admission that refuses or changes, quotas, namespaces on their way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from maraudersmap_operator.cluster.kinds import POD, Kind

from .problems import Problem, forbidden, resource
from .quantities import amount, canonical
from .storage import Storage

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A write as admission sees it. `verb`: create, update or delete. `obj` is the new object, with its defaults."""

    verb: str
    kind: Kind
    namespace: str
    name: str
    manager: str
    obj: Manifest
    subresource: str = ""
    dry_run: bool = False


Predicate = Callable[[Request], bool]


@dataclass(slots=True)
class Rule:
    """Refuses with `status` and `message`; None lets pass what `change` has changed in place."""

    matches: Predicate
    message: str = ""
    status: int = 403
    change: Callable[[Manifest], None] | None = None


@dataclass(slots=True)
class Quota:
    """`hard`: as in a ResourceQuota, for example {"count/ingresses.networking.k8s.io": "0", "pods": "3"}."""

    name: str
    namespace: str
    hard: dict[str, str]


@dataclass(slots=True)
class Admission:
    rules: list[Rule] = field(default_factory=list)
    quotas: list[Quota] = field(default_factory=list)

    # --- set up by tests ----------------------------------------------------------------------------------------------
    def deny(
        self, matches: Predicate, message: str, *, webhook: str = "guard.example", status: int = 403
    ) -> Rule:
        """As a validating webhook does."""
        return self._add(
            Rule(matches, f'admission webhook "{webhook}" denied the request: {message}', status)
        )

    def forbid(self, matches: Predicate, why: str) -> Rule:
        """As an admission plug-in or RBAC does: `deployments.apps "x" is forbidden: why`."""
        return self._add(Rule(matches, f"\0{why}"))

    def mutate(self, matches: Predicate, change: Callable[[Manifest], None]) -> Rule:
        return self._add(Rule(matches, change=change))

    def quota(self, namespace: str, name: str = "quota", **hard: str) -> Quota:
        found = Quota(name, namespace, {k.replace("__", "/").replace("_", "."): v for k, v in hard.items()})
        self.quotas.append(found)
        return found

    def lift(self, what: Rule | Quota) -> None:
        if isinstance(what, Rule):
            self.rules.remove(what)
        else:
            self.quotas.remove(what)

    def _add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    # --- asked by the server ------------------------------------------------------------------------------------------
    def change(self, request: Request) -> None:
        for rule in self.rules:
            if rule.change is not None and rule.matches(request):
                rule.change(request.obj)

    def check(self, request: Request) -> None:
        """Raises Problem."""
        for rule in self.rules:
            if rule.change is None and rule.matches(request):
                if rule.message.startswith("\0"):
                    raise forbidden(request.kind, request.name, rule.message[1:])
                raise Problem(rule.status, rule.message)

    def charge(self, request: Request, storage: Storage) -> None:
        """Quotas count what is stored, so a dry run reserves nothing. Raises Problem."""
        for quota in self.quotas:
            if quota.namespace == request.namespace and request.verb == "create":
                _charge(quota, request, storage)


def _charge(quota: Quota, request: Request, storage: Storage) -> None:
    over = []
    for key, hard in sorted(quota.hard.items()):
        if request.kind is POD and key.startswith(("requests.", "limits.")):
            names = [c["name"] for c in request.obj["spec"]["containers"] if _of(c, key) is None]
            if names:
                message = f"failed quota: {quota.name}: must specify {key} for: {','.join(names)}"
                raise forbidden(POD, request.name, message)
        asked = _usage(key, request.kind, request.obj)
        if asked is None:
            continue
        used = sum(
            _usage(key, s.kind, s.body) or Decimal(0) for s in storage.all(request.kind, quota.namespace)
        )
        if used + asked > amount(hard):
            over.append((key, _text(asked), _text(Decimal(used)), hard))
    if over:
        parts = [",".join(f"{o[0]}={o[i]}" for o in over) for i in (1, 2, 3)]
        message = (
            f"exceeded quota: {quota.name}, requested: {parts[0]}, used: {parts[1]}, limited: {parts[2]}"
        )
        raise forbidden(request.kind, request.name, message)


def _usage(key: str, kind: Kind, obj: Manifest) -> Decimal | None:
    """What an object takes of a quota's key; None when the key is about other kinds."""
    if key == f"count/{resource(kind)}" or (key == kind.plural and kind is not POD):
        return Decimal(1)
    if kind is not POD:
        return None
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return Decimal(0)
    if key == "pods":
        return Decimal(1)
    key = {"cpu": "requests.cpu", "memory": "requests.memory"}.get(key, key)
    if key.startswith(("requests.", "limits.")):
        return sum((_of(c, key) or Decimal(0) for c in obj["spec"]["containers"]), Decimal(0))
    return None


def _of(container: Manifest, key: str) -> Decimal | None:
    part, name = key.split(".", 1)
    found = ((container.get("resources") or {}).get(part) or {}).get(name)
    return None if found is None else amount(found)


def _text(value: Decimal) -> str:
    return canonical(f"{value.normalize():f}")
