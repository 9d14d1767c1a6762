"""The resource that children belong to, and the metadata and labels that all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maraudersmap_operator.resource.names import (
    API_VERSION,
    APP,
    KIND,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_REVISION,
    MANAGER,
    Component,
)

Manifest = dict[str, Any]
"""A Kubernetes object as the API server takes it. Builders give a new one each time: callers may change it."""


@dataclass(frozen=True, slots=True)
class Images:
    """Images of what the operator runs for evaluation; from the operator's settings, not the resource."""

    postgres: str
    redis: str


@dataclass(frozen=True, slots=True)
class Owner:
    """One MaraudersMap, as far as its children need to know it."""

    name: str
    namespace: str
    uid: str

    def metadata_for(
        self,
        name: str,
        *,
        component: Component,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        controlled: bool = True,
    ) -> Manifest:
        """Metadata of the child of that full name (see `names`).

        `controlled` False leaves the owner reference out: the child outlives the resource.
        """
        metadata: Manifest = {
            "name": name,
            "namespace": self.namespace,
            "labels": {**(labels or {}), **self.labels(component)},
        }
        if annotations:
            metadata["annotations"] = dict(annotations)
        if controlled:
            metadata["ownerReferences"] = [self.reference()]
        return metadata

    def reference(self) -> Manifest:
        """The controller reference by which a child is deleted with the resource."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def labels(self, component: Component) -> dict[str, str]:
        """The labels that every child of that component carries."""
        return {
            LABEL_NAME: APP,
            LABEL_INSTANCE: self.name,
            LABEL_COMPONENT: component.value,
            LABEL_MANAGED_BY: MANAGER,
        }

    def selector(self, component: Component, revision: str | None = None) -> dict[str, str]:
        """Labels that find the pods of a component; of one revision when it is given."""
        labels = {LABEL_NAME: APP, LABEL_INSTANCE: self.name, LABEL_COMPONENT: component.value}
        return labels if revision is None else labels | {LABEL_REVISION: revision}
