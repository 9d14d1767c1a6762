"""What goes wrong between the operator and the API server, on purpose. The same seed gives the same faults."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from maraudersmap_operator.cluster.kinds import Kind

READS = ("get", "version", "list", "logs", "schema", "served")


class Effect(StrEnum):
    STATUS = "status"  # answered with an HTTP status; nothing is done
    TIMEOUT = (
        "timeout"  # no answer; nothing is done; a caller who has not given up before does so after `seconds`
    )
    LOST = "lost"  # it is done, and the answer never comes: the same
    SLOW = "slow"  # it is done after `seconds`


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `verb` is the name of the port's method."""

    verb: str
    kind: Kind
    namespace: str
    name: str
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        return self.verb not in READS


_SENTENCES = {
    403: "is forbidden: User cannot do this at the cluster scope",
    404: "not found",
    409: "the object has been modified; please apply your changes to the latest version and try again",
    422: "is invalid: spec: Invalid value",
    429: "the server has received too many requests and has asked us to try again later",
    500: "Internal error occurred: etcdserver: leader changed",
    503: "the server is currently unable to handle the request",
}


@dataclass(slots=True)
class Fault:
    """`times`: for that many calls; None for as long as it is set. `probability` below 1 rolls the dice."""

    effect: Effect
    status: int = 503
    verb: str = ""
    kind: Kind | None = None
    name: str = ""
    times: int | None = None
    probability: float = 1.0
    seconds: float = 0.0
    message: str = ""
    only_writes: bool = False
    only_reads: bool = False
    when: Callable[[Call], bool] = lambda call: True

    def sentence(self, call: Call) -> str:
        return self.message or f'{call.kind.plural} "{call.name}" {_SENTENCES.get(self.status, "failed")}'


@dataclass(slots=True)
class Faults:
    seed: int = 0
    active: list[Fault] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    before: list[Callable[[Call], None]] = field(default_factory=list)
    """Called just before each request reaches the server: what someone else does at that very moment."""
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 (the same faults each time)

    def add(self, effect: Effect = Effect.STATUS, **how: object) -> Fault:
        fault = Fault(effect, **how)  # type: ignore[arg-type]
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        self.active.clear()
        self.before.clear()

    def strike(self, call: Call) -> Fault | None:
        """The fault that hits this call, if one does."""
        for act in list(self.before):
            act(call)
        for fault in self.active:
            if not self._hits(fault, call):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.active.remove(fault)
            name = str(fault.status) if fault.effect is Effect.STATUS else str(fault.effect)
            self.injected[name] += 1
            return fault
        return None

    def _hits(self, fault: Fault, call: Call) -> bool:
        return (
            fault.verb in ("", call.verb)
            and fault.kind in (None, call.kind)
            and fault.name in ("", call.name)
            and (call.writes or not fault.only_writes)
            and not (call.writes and fault.only_reads)
            and fault.when(call)
            and (fault.probability >= 1 or self._dice.random() < fault.probability)
        )
