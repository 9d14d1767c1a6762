"""Where a resource may send the operator: a user who writes a URL must not borrow the operator's place in the network.

Only Services of the cluster, by name, in namespaces that the operator's administrator allows, and the resource's own. An
address instead of a name, a node, the cloud's metadata and this pod itself are none of these. A name is checked three times:
as it is written (`refusal`), as the Service that it names (`service_refusal`: an ExternalName leads anywhere), and as the
addresses that it resolves to (`GuardedResolver`). The connection goes to the very addresses that were checked, so a name that
answers differently the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from .client import Cluster, Manifest
from .errors import ClusterError, Refused
from .kinds import SERVICE

SETTING = "PROMETHEUS_NAMESPACES"
# A look at the Service comes before traffic is protected.
READ_SECONDS = 0.5
# Where clouds serve credentials to anyone who asks, outside of the link-local ranges.
METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254")))

Found = tuple[str, list[tuple[int, str]]]
"""The canonical name, and the addresses with their family (socket.AF_INET or AF_INET6)."""
LookUp = Callable[[str, int, int], Awaitable[Found]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refusal(url: str, own_namespace: str, namespaces: Collection[str]) -> str:
    """Why the URL may not be asked, with the remedy; empty when it may. Pure."""
    service, namespace, domain = _parts(url)
    if not service or not namespace or domain.split(".")[0] != "svc":
        return "not asked: write the host as <service>.<namespace>.svc, a Service of this cluster"
    if namespace not in {own_namespace, *namespaces}:
        return f"not asked: the operator's setting {SETTING} does not list the namespace {namespace}"
    return ""


async def service_refusal(cluster: Cluster, url: str) -> str:
    """Why the Service that the URL names may not be asked; empty when it may, or when this operator may not read it (a
    namespaced install): then its canonical name is all there is to go by. Raises nothing of the cluster's."""
    name, namespace, _ = _parts(url)
    try:
        async with asyncio.timeout(READ_SECONDS):
            service = await cluster.get(SERVICE, namespace, name)
    except Refused:
        return ""
    except (ClusterError, TimeoutError):
        return f"not asked: the Service {namespace}/{name} could not be read"
    return "" if service is None else _leads_elsewhere(service)


def _leads_elsewhere(service: Manifest) -> str:
    if service["spec"].get("type") != "ExternalName":
        return ""
    meta = service["metadata"]
    return (
        f"not asked: the Service {meta['namespace']}/{meta['name']} is of type ExternalName, which may lead anywhere; "
        "name a Service with pods behind it"
    )


class Forbidden(OSError):
    """The name leads to where the operator may not be sent; the message states why."""


class GuardedResolver(AbstractResolver):
    """Names to addresses, once for each connection, and only to addresses that may be asked."""

    def __init__(
        self, look_up: LookUp | None = None, permits: Callable[[Address], bool] | None = None
    ) -> None:
        self._look_up = look_up or _system_look_up
        self._permits = permits or permitted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError; Forbidden when one of the addresses may not be asked."""
        canonical, found = await self._look_up(host, port, family)
        wanted = ".".join(host.rstrip(".").split(".")[:3]).lower()
        if canonical and not f"{canonical.rstrip('.').lower()}.".startswith(f"{wanted}."):
            raise Forbidden(f"not asked: {host} is another name for {canonical}")
        for _, address in found:
            if not self._permits(ipaddress.ip_address(address)):
                raise Forbidden(f"not asked: {host} leads to {address}")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for kind, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept open."""


def permitted(address: Address) -> bool:
    """An address that a Service or a pod may have: not this machine, its links, a cloud's metadata, a group or none."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return permitted(mapped)
    never = (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )
    return not never and address not in METADATA


async def _system_look_up(host: str, port: int, family: int) -> Found:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
    )
    # "fe80::1%eth0": the zone is of this machine's.
    addresses = [(int(kind), str(address[0]).partition("%")[0]) for kind, _, _, _, address in found]
    return found[0][3], addresses


def _parts(url: str) -> tuple[str, str, str]:
    """Service, namespace and the rest of the host; nothing of what is no URL, such as one with half a bracket."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        host = ""
    service, _, rest = host.partition(".")
    namespace, _, domain = rest.partition(".")
    return service, namespace, domain
