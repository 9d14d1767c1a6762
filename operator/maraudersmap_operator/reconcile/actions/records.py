"""ControllerRevisions: what each revision's pods are made from, so that one can be rebuilt exactly."""

from __future__ import annotations

from copy import deepcopy

from maraudersmap_operator import children
from maraudersmap_operator.cluster import Manifest, Refused
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT
from maraudersmap_operator.resource.names import (
    ANNOTATION_RESTART,
    ANNOTATION_SECRETS,
    LABEL_REVISION,
    RESTARTED_AT,
)
from maraudersmap_operator.telemetry import logger

from ..apply.child_writer import ChildWriter, owned_by_another
from ..collect.observe import Observation
from ..context.subject import Subject
from ..reading.labels import is_template, recorded_template

# Written by the API server and by us around a template; no part of it.
AROUND = (ANNOTATION_RESTART, ANNOTATION_SECRETS, RESTARTED_AT)


class Records:
    """The records of one resource in one pass."""

    def __init__(self, subject: Subject, child_writer: ChildWriter, observation: Observation) -> None:
        self._cluster, self._store, self._owner = subject.cluster, subject.store, subject.owner
        self._subject = subject
        self._child_writer = child_writer
        self._observation = observation

    async def record(self, revision: str) -> None:
        """Write down what the target's pods are made from, unless that is done. Raises Refused when it cannot be."""
        if _data(self._find(revision)) is not None:
            return
        target = self._observation.observed.target
        if target is None or target.revision != revision:
            await self.template(revision)  # gone back to on request: the spec asks for something else
            return
        template = children.pod_template(
            self._owner, self._subject.spec, revision, self._observation.config_map_copies
        )
        await self._write(revision, template, self._subject.spec.image, inputs=True)

    async def template(self, revision: str) -> Manifest:
        """The revision's pod template. One whose record is gone is recorded again from what runs.

        Raises Refused when neither is there.
        """
        data = _data(self._find(revision))
        if data is None:
            name = children.names.controller_revision(self._owner.name, revision)
            live = await self._cluster.get(CONTROLLER_REVISION, self._owner.namespace, name)
            if live is not None and not owned_by_another(live, self._owner):
                # Without our labels no watch shows it.
                self._store.confirm(CONTROLLER_REVISION, live)
                data = _data(live)
        if data is not None:
            template: Manifest = data["template"]
            return template
        template = self._running(revision)
        logger().warning("record of a revision is gone: written again from what runs", revision=revision)
        image = str(template["spec"]["containers"][0]["image"])
        target = self._observation.observed.target
        await self._write(
            revision, template, image, inputs=target is not None and target.revision == revision
        )
        return template

    def _running(self, revision: str) -> Manifest:
        name = children.names.deployment(self._owner.name, revision)
        deployment = self._store.find(self._subject.key, DEPLOYMENT, name)
        if deployment is None:
            raise Refused(
                f"nothing is left of revision {revision}: no ControllerRevision, no Deployment", 404
            )
        template: Manifest = deepcopy(deployment["spec"]["template"])
        if not is_template(template):
            raise Refused(
                f"of revision {revision} there is no ControllerRevision, and someone has changed its Deployment",
                404,
            )
        annotations = template["metadata"].get("annotations") or {}
        kept = {k: v for k, v in annotations.items() if k not in AROUND}
        template["metadata"] = {
            "labels": {**template["metadata"]["labels"], LABEL_REVISION: revision},
            **({"annotations": kept} if kept else {}),
        }
        return template

    async def _write(self, revision: str, template: Manifest, image: str, *, inputs: bool) -> None:
        """`inputs`: those of the present spec, whose revision this is."""
        numbers = [r.number for r in self._observation.observed.recorded.values()]
        record = children.controller_revision(
            self._owner,
            revision,
            max(numbers, default=0) + 1,
            template,
            image,
            inputs=self._observation.inputs if inputs else None,
        )
        broken = self._find(revision)
        if broken is not None and _data(broken) is None:
            # Its data cannot be changed; without any it is of no use to anyone.
            meta = broken["metadata"]
            await self._cluster.delete(CONTROLLER_REVISION, meta["namespace"], meta["name"], meta["uid"])
            self._store.remove(meta["uid"])
        if not await self._child_writer.ensure(record):
            raise Refused(f"the ControllerRevision of revision {revision} was not written", 0)

    def _find(self, revision: str) -> Manifest | None:
        name = children.names.controller_revision(self._owner.name, revision)
        return self._store.find(self._subject.key, CONTROLLER_REVISION, name)


def _data(record: Manifest | None) -> Manifest | None:
    """What a usable record holds."""
    return record["data"] if record is not None and recorded_template(record) else None
