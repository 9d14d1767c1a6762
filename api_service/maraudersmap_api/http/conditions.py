"""Conditional headers, and what proxies that compress make of our tags. Pure.

One that compresses an answer may not leave its strong ETag as it is: nginx makes it weak (`W/"7-3"`), Apache and others
name the encoding in it (`"7-3-gzip"`). Clients send back what they were given, and mean our version 3.
"""

import re

_TAG = re.compile(r'(W/)?"(.*?)(?:[-;](?:gzip|br|zstd|deflate))?"')


def allows(if_match: str, etag: str) -> bool:
    """May something whose present tag is `etag` be changed? Weak tags never match: RFC 9110 wants it so."""
    return any(tag in (etag, "*") for weak, tag in _tags(if_match) if not weak)


def known(if_none_match: str, etag: str) -> bool:
    """Does the client have what has this tag? Weak or strong is all the same here."""
    return any(tag in (etag, "*") for _, tag in _tags(if_none_match))


def takes_gzip(accept_encoding: str) -> bool:
    """May the answer be compressed? `gzip;q=0` is a no."""
    wishes: dict[str, bool] = {}
    for wish in accept_encoding.lower().split(","):
        name, _, quality = wish.partition(";")
        wishes[name.strip()] = not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality)
    return wishes.get("gzip", wishes.get("*", False))


def _tags(header: str) -> list[tuple[bool, str]]:
    """Each tag: is it weak, and which, without what a proxy has added. Something else is no tag and matches nothing."""
    found = []
    for part in header.split(","):
        tag = part.strip()
        if tag == "*":
            found.append((False, tag))
        elif match := _TAG.fullmatch(tag):
            found.append((match[1] is not None, f'"{match[2]}"'))
    return found
