"""What the operator has asked of the API server, from the server's audit log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READS = ("get", "list", "watch")
BODY_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Request:
    """One request, finished. `resource` has its subresource; `body` is JSON, of writes only."""

    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    at: str
    body: str

    @property
    def what(self) -> str:
        return f"{self.verb} {self.resource}"

    def described(self) -> str:
        return f"{self.at} {self.what} {self.namespace}/{self.name} {self.code} {self.body[:BODY_CHARACTERS]}"


@dataclass(frozen=True, slots=True)
class Requests:
    reads: Sequence[Request]
    writes: Sequence[Request]

    @staticmethod
    def counted(requests: Sequence[Request]) -> str:
        """How many of what, the most first; "0" for none."""
        counts = Counter(request.what for request in requests)
        return ", ".join(f"{number} {what}" for what, number in counts.most_common()) or "0"


class Audit:
    """From the moment that it is made."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._from = log.stat().st_size if log.exists() else 0

    def since(self) -> Requests:
        """Every request of the operator since then that was finished."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            # The last line may be in the middle of being written.
            lines = log.read().rpartition(b"\n")[0].splitlines()
        found = [_request(json.loads(line)) for line in lines]
        return Requests(
            [r for r in found if r.verb in READS],
            [r for r in found if r.verb not in READS],
        )


def _request(event: dict[str, Any]) -> Request:
    ref = event.get("objectRef") or {}
    parts = (ref.get("resource", event["requestURI"]), ref.get("subresource"))
    dry = " (dry run)" if "dryRun=All" in event["requestURI"] else ""
    return Request(
        event["verb"],
        "/".join(filter(None, parts)) + dry,
        ref.get("namespace", ""),
        ref.get("name", ""),
        int((event.get("responseStatus") or {}).get("code", 0)),
        event["requestReceivedTimestamp"],
        json.dumps(event["requestObject"]) if "requestObject" in event else "",
    )
