"""All controllers together, and time."""

from __future__ import annotations

from ..problems import Problem
from ..server import ApiServer
from .autoscaler import Autoscaler
from .base import Controller
from .deployments import Deployments, ReplicaSets
from .garbage import GarbageCollector
from .gateways import Gateways
from .kubelet import Kubelet
from .network import EndpointSlices
from .sets_and_jobs import Jobs, StatefulSets

# Enough for a chain of owners to be worked through at one moment.
ROUNDS = 12


class Controllers:
    """`off` holds controllers that do not work for now."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.garbage = GarbageCollector(server)
        self.kubelet = Kubelet(server)
        self.autoscaler = Autoscaler(server)
        self.gateways = Gateways(server)
        self.off: set[type[Controller]] = set()
        self._all: tuple[Controller, ...] = (
            self.garbage,
            Deployments(server),
            ReplicaSets(server),
            StatefulSets(server),
            Jobs(server),
            self.autoscaler,
            self.kubelet,
            EndpointSlices(server),
            self.gateways,
        )

    def settle(self) -> None:
        """Everything that happens at this moment."""
        storage = self.server.storage
        for turn in range(ROUNDS):
            before = storage.version
            for controller in self._all:
                if type(controller) in self.off:
                    continue
                if controller.clean_at == storage.version and (turn or not controller.timed):
                    continue
                began = storage.version
                try:
                    controller.sync()
                except Problem:
                    # Refused: the real ones log it and try again later, as these do with the next change.
                    controller.clean_at = -1
                    continue
                controller.clean_at = storage.version if storage.version == began else -1
            if storage.version == before:
                return

    def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass."""
        for _ in range(round(seconds / step)):
            self.server.clock.advance(step)
            self.settle()
