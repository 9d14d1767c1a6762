"""What the API server alone knows of a Service: addresses and node ports, and how they survive a PUT."""

from __future__ import annotations

from itertools import count
from typing import Any

Manifest = dict[str, Any]
_NODE_PORTS = ("NodePort", "LoadBalancer")


class Allocator:
    def __init__(self) -> None:
        self._addresses = count(10)
        self._ports = count(30001)

    def allocate(self, spec: Manifest) -> None:
        """In place."""
        if spec["type"] == "ExternalName":
            return
        if not spec.get("clusterIP"):
            number = next(self._addresses)
            spec["clusterIP"] = f"10.96.{number // 250}.{number % 250 + 1}"
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        if spec["type"] in _NODE_PORTS:
            for port in spec.get("ports") or ():
                if not port.get("nodePort"):
                    port["nodePort"] = next(self._ports)


def carry_over(spec: Manifest, old: Manifest) -> None:
    """A PUT that leaves out what was allocated keeps it; a change of type drops what the new type does not have."""
    kind, before = spec.get("type") or "ClusterIP", old["type"]
    if "ExternalName" not in (kind, before):
        for part in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(part) and part in old:
                spec[part] = list(old[part]) if isinstance(old[part], list) else old[part]
    ports = {p.get("name", ""): p.get("nodePort") for p in old.get("ports") or ()}
    if kind in _NODE_PORTS and before in _NODE_PORTS:
        used = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
        for port in spec.get("ports") or ():
            known = ports.get(port.get("name", ""))
            if not port.get("nodePort") and known and known not in used:
                port["nodePort"] = known
    if kind not in _NODE_PORTS and before in _NODE_PORTS:
        for port in spec.get("ports") or ():
            if port.get("nodePort") == ports.get(port.get("name", "")):
                port.pop("nodePort", None)
        if spec.get("externalTrafficPolicy") == old.get("externalTrafficPolicy"):
            spec.pop("externalTrafficPolicy", None)
    if kind != "LoadBalancer" and before == "LoadBalancer":
        spec.pop("allocateLoadBalancerNodePorts", None)
