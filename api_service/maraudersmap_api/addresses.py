"""Where a request comes from, as limits count it. Pure.

An IPv4 address is one place. In IPv6 a household has a /64 of addresses for free, so that is one place; and the holder of
a /48 has 65,536 of them, so a /48 has a ceiling of its own: a *site*. IPv4 clients behind a translator (NAT64, mapped
addresses) are counted by the IPv4 address that is within theirs, or they would all be one place.
"""

import ipaddress
import re
from functools import lru_cache
from typing import NewType

ClientAddress = NewType("ClientAddress", str)
"""Where a request comes from, as the limits see it: what `client_address` gives."""

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_PLACE_BITS = 64
_SITE_BITS = 48


def client_address(peer: str, forwarded: list[str], trusted_proxies: int) -> ClientAddress:
    """The place that a request comes from."""
    place = _place(chosen_address(peer, forwarded, trusted_proxies)) or _place(peer)
    return ClientAddress(place or "unknown")


def chosen_address(peer: str, forwarded: list[str], trusted_proxies: int) -> str:
    """The entry of X-Forwarded-For that counts, as it was written; `peer` when there is none.

    Each proxy appends the address it was called from, so with n trusted proxies the n-th entry from the end is the
    last one a stranger cannot have written. Some write a port behind it.
    """
    entries = [entry.strip() for value in forwarded for entry in value.split(",") if entry.strip()]
    return entries[-trusted_proxies] if 0 < trusted_proxies <= len(entries) else peer


@lru_cache(maxsize=4096)
def site_of(place: str) -> str | None:
    """The /48 around a place, None for IPv4 and whatever is no address."""
    if not place.endswith(f"/{_PLACE_BITS}"):
        return None
    return str(ipaddress.IPv6Network(place).supernet(new_prefix=_SITE_BITS))


@lru_cache(maxsize=4096)
def whole_site_of(written: str) -> str:
    """All that one caller may have: the place of an address as `chosen_address` gives it, of IPv6 the whole /48."""
    place = _place(written) or "unknown"
    return site_of(place) or place


@lru_cache(maxsize=4096)
def _place(text: str) -> str | None:
    with_port = _WITH_PORT.fullmatch(text.strip('"'))
    bare = (with_port[1] or with_port[2] or "") if with_port else text
    try:
        address = ipaddress.ip_address(bare.split("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        inner = _ipv4_within(address)
        if inner is None:
            return str(ipaddress.IPv6Network((address, _PLACE_BITS), strict=False))
        address = inner
    return str(address)


def _ipv4_within(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
