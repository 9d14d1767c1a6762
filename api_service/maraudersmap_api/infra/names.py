"""What an installation calls its things in Redis, so that several can share one.

Keys are kept per database number (`/0`, `/1`), but channels are not: a subscriber hears every number. So both bear
the installation's prefix, and each message names the installation it belongs to.

Without REDIS_PREFIX the prefix is derived from where the database is: two installations have two databases. Channels
then keep the names of the release before, which knows no prefix and runs beside this one during a rollout; messages of
other installations are recognised by the name they carry, and dropped.
"""

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

_PLACE = ("host", "port", "dbname")  # what a query string may add to a database's address


@dataclass(frozen=True, slots=True)
class Names:
    """Of one installation. `installation` is in its messages and starts its keys."""

    installation: str
    bridging: bool = False
    """Does the release before have to understand us? It has no prefix, and a generation for each tag in Redis."""

    def key(self, name: str) -> str:
        """A key's full name."""
        return f"{self.installation}:{name}"

    def channel(self, name: str) -> str:
        """A channel's full name."""
        return name if self.bridging else f"{self.installation}:{name}"


def names_of(prefix: str | None, database_url: str) -> Names:
    """The names under `prefix` (REDIS_PREFIX), or under one derived from the database's host, port and name.

    User and password do not count: they are changed while pods run.
    """
    if prefix:
        return Names(prefix.rstrip(":"))
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    place = [
        parts.netloc.rpartition("@")[2].lower(),
        parts.path,
        *(",".join(query.get(n, ())) for n in _PLACE),
    ]
    return Names(f"map-{hashlib.sha256('|'.join(place).encode()).hexdigest()[:12]}", bridging=True)
