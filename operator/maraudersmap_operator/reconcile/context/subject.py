"""The resource that a pass is about, with what it takes to act for it: handed on as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Key, Store
from maraudersmap_operator.resource import MaraudersMap, MaraudersMapSpec

from ..status.fates import Fates
from .parts import Parts
from .remembered import Remembered


@dataclass(frozen=True, slots=True)
class Subject:
    """`now`: of the pass. `go_on` raises when a newer pass has decided: nothing more is begun, or overwritten, then."""

    parts: Parts
    remembered: Remembered
    resource: MaraudersMap
    now: datetime
    go_on: Callable[[], None]

    @property
    def cluster(self) -> Cluster:
        return self.parts.cluster

    @property
    def store(self) -> Store:
        return self.parts.store

    @property
    def fates(self) -> Fates:
        return self.remembered.fates

    @property
    def spec(self) -> MaraudersMapSpec:
        return self.resource.spec

    @property
    def owner(self) -> Owner:
        return Owner(self.resource.name, self.resource.namespace, self.resource.uid)

    @property
    def key(self) -> Key:
        return Key(self.resource.namespace, self.resource.name)
