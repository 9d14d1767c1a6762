"""What a MaraudersMap's status was, and when: every version of it, as a watch brings it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from dev.kube import Kubectl
from tests.cluster.scenario import NAME

Object = dict[str, Any]


class Timeline:
    """Watches the resource from `with` to its end. Moments are seconds since the watch began."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self._command = [
            *(kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", "-n", namespace),
            *("get", "maraudersmap", NAME, "--watch", "-o", "json"),
        ]
        self._seen: list[tuple[float, Object]] = []

    def __enter__(self) -> Timeline:
        self._began = time.monotonic()
        self._watch = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.kill()
        self._watch.wait()
        self._reader.join()
        assert self._watch.stdout is not None
        self._watch.stdout.close()

    def first(self, holds: Callable[[Object], bool], since: float = 0.0) -> float | None:
        """When a status first was so; None: never yet."""
        return next((at for at, s in list(self._seen) if at >= since and holds(s)), None)

    def now(self) -> float:
        return time.monotonic() - self._began

    def _read(self) -> None:
        assert self._watch.stdout is not None
        decoder, text = json.JSONDecoder(), ""
        while chunk := self._watch.stdout.readline():
            text += chunk
            # kubectl ends each object with a brace of its own at the line's start.
            if chunk != "}\n":
                continue
            found, end = decoder.raw_decode(text)
            text = text[end:].lstrip()
            self._seen.append((self.now(), found.get("status") or {}))
