"""EndpointSlices from Services and the readiness of pods."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster.kinds import ENDPOINT_SLICE, POD, SERVICE

from ..selectors import labels_of, selects
from ..server import controller_uid
from ..storage import Stored
from .base import Controller, digest, is_ready, reference

Manifest = dict[str, Any]
NAME_LABEL = "kubernetes.io/service-name"


class EndpointSlices(Controller):
    def sync(self) -> None:
        for service in self.server.storage.all(SERVICE):
            if service.body["spec"].get("selector"):
                self._remove_strange(service)
                self._slice(service)

    def _remove_strange(self, service: Stored) -> None:
        """Slices of an earlier Service of that name, which has left them behind as orphans."""
        meta = service.body["metadata"]
        for stored in self.server.storage.all(ENDPOINT_SLICE, meta["namespace"]):
            named = labels_of(stored.body).get(NAME_LABEL) == meta["name"]
            if named and controller_uid(stored.body) != service.uid:
                self.server.delete(ENDPOINT_SLICE, meta["namespace"], stored.body["metadata"]["name"])

    def _slice(self, service: Stored) -> None:
        meta, spec = service.body["metadata"], service.body["spec"]
        name = f"{meta['name']}-{digest(meta['uid'])[:5]}"
        endpoints = [
            _endpoint(p.body, bool(spec.get("publishNotReadyAddresses")))
            for p in self.server.storage.all(POD, meta["namespace"])
            if selects(spec["selector"], labels_of(p.body)) and _reachable(p.body)
        ]
        labels = dict(meta.get("labels") or {})
        labels |= {
            NAME_LABEL: meta["name"],
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        ports = [
            {"name": p.get("name", ""), "port": 4001, "protocol": p["protocol"]}
            for p in spec.get("ports") or ()
        ]
        stored = self.server.storage.get(ENDPOINT_SLICE, meta["namespace"], name)
        if stored is None:
            if "deletionTimestamp" in meta:
                return  # existing ones follow a Service that is held in its deletion, new ones are not made
            wanted = {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": meta["namespace"],
                    "labels": labels,
                    "ownerReferences": [reference(service)],
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            }
            self.server.create(ENDPOINT_SLICE, wanted, manager=self.manager)
            return
        same = (stored.body.get("endpoints") or []) == endpoints and (stored.body.get("ports") or []) == ports
        if same and labels_of(stored.body) == labels:
            return

        def change(obj: Manifest) -> None:
            obj["endpoints"], obj["ports"] = endpoints, ports
            obj["metadata"]["labels"] = labels

        self.server.edit(ENDPOINT_SLICE, meta["namespace"], name, change, manager=self.manager)


def _reachable(pod: Manifest) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ("Failed", "Succeeded")


def _endpoint(pod: Manifest, publish: bool) -> Manifest:
    leaving = "deletionTimestamp" in pod["metadata"]
    serving = is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": publish or (serving and not leaving),
            "serving": serving,
            "terminating": leaving,
        },
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "uid": pod["metadata"]["uid"],
        },
    }
