"""Times and spans as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def short(span: timedelta) -> str:
    """The two largest units: `47s`, `5m12s`, `3h4m`, `2d5h`. Less than nothing, from clocks that differ, is `0s`."""
    seconds = max(0, int(span.total_seconds()))
    for index, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            smaller = rest // _UNITS[index + 1][0] if index + 1 < len(_UNITS) else 0
            return f"{whole}{unit}" + (f"{smaller}{_UNITS[index + 1][1]}" if smaller else "")
    return "0s"


def ago(moment: datetime | None, now: datetime) -> str:
    return f"{short(now - moment)} ago" if moment else "at an unknown time"
