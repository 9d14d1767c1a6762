"""What may not be seen in a text: the values of Secrets in the forms in which programs print them, and what looks like a
credential, of any owner. Pure; the operator and the plugin hide the same.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

MASK = "***"
SHORTEST_SECRET = 6  # masking every "a" of a one-letter value would leave nothing to read
# What `migrate` of the API leaves as its termination message when the schema was up to date already. Withheld, it would
# count as a changed schema, and stand in the way of going back.
NOTHING_TO_MIGRATE = "nothing to do"

_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):([^\s@/]+)@")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_PAIR = re.compile(
    r"(?i)\b([\w-]*(?:password|passwd|secret|token|api[_-]?key)[\w-]*[\"']?\s*[=:]\s*)[\"']?([^\s\"',}]+)"
)


@dataclass(frozen=True, slots=True)
class Mask:
    """`values`: what may not be seen, longest first. `unread`: Secrets whose values are not known, `changed`: those that may
    have had others before, so that nothing a container wrote may be seen at all. Without any, only what looks like a
    credential is masked."""

    values: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def withheld(self) -> str:
        """What stands for a container's text; empty when texts can be masked."""
        if self.unread:
            return f"withheld, because Secret {_listed(self.unread)} could not be read to mask its values"
        if self.changed:
            names = _listed(self.changed)
            return f"withheld, because Secret {names} may have changed since, and what it had before is not known"
        return ""

    def container(self, text: str) -> str:
        """What a container may have written: log lines, termination messages, the output of its probes and hooks."""
        if not text or text.strip() == NOTHING_TO_MIGRATE:
            return text
        return self.withheld or _PAIR.sub(rf"\1{MASK}", self._known(text))

    def cluster(self, text: str) -> str:
        """The cluster's own words about what has not run. It quotes names, which may look like a pair: `token-api: not
        found` stays, since verdicts rest on it."""
        return self._known(text)

    def _known(self, text: str) -> str:
        for value in self.values:
            text = text.replace(value, MASK)
            text = _without_cut_value(text, value)
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
        text = _BEARER.sub(rf"\1 {MASK}", text)
        return _JWT.sub(MASK, text)


def _listed(secrets: Iterable[str]) -> str:
    return " and ".join(repr(name) for name in secrets)


def mask_of(forms: Iterable[str], unread: Iterable[str] = ()) -> Mask:
    """Forms too short to be masked are left out."""
    values = {form for form in forms if len(form) >= SHORTEST_SECRET}
    return Mask(tuple(sorted(values, key=lambda v: (-len(v), v))), tuple(sorted(unread)))


def forms_of(secret: Mapping[str, object]) -> Iterator[str]:
    """Every form in which one of the Secret's values may turn up in a text."""
    data = secret.get("data")
    for encoded in data.values() if isinstance(data, Mapping) else ():
        yield str(encoded)
        try:
            value = base64.b64decode(str(encoded)).decode(errors="replace")
        except binascii.Error:  # an object that some other API server let through; its text as it is must do
            continue
        yield from _forms(value)


def _forms(value: str) -> Iterator[str]:
    yield value
    yield value.strip()
    # A log is read line by line, and a logger may escape what it quotes.
    yield from (line.strip() for line in value.splitlines())
    yield json.dumps(value)[1:-1]
    for match in (*_URL_PASSWORD.finditer(value), *_PAIR.finditer(value)):
        for password in (match.group(2), match.group(2).partition("&")[0]):  # may stand in a query string
            yield from (password, unquote(password), unquote_plus(password))


def _without_cut_value(text: str, value: str) -> str:
    """The kubelet keeps the end of a long log: what begins in the middle of a value shows the rest of it."""
    for length in range(min(len(value) - 1, len(text)), SHORTEST_SECRET - 1, -1):
        if text.startswith(value[-length:]):
            text = MASK + text[length:]
            break
    for length in range(min(len(value) - 1, len(text)), SHORTEST_SECRET - 1, -1):
        if text.endswith(value[:length]):
            return text[:-length] + MASK
    return text
