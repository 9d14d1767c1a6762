"""PodMonitor, PrometheusRule and dashboard of one resource, and what of them is reported.

They are children like any other, each with its own fate. Their kinds may not be there, and are not watched: an object that is
as wanted is read again after a while only, and what is no longer wanted is asked for once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Kind, Manifest, kind_of
from maraudersmap_operator.cluster.kinds import CONFIG_MAP, MONITORING, POD_MONITOR, PROMETHEUS_RULE
from maraudersmap_operator.resource import MaraudersMapSpec, MaraudersMapStatus
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import ConditionType

from ..context.remembered import Made
from ..context.subject import Subject
from ..reading.served import Served
from ..status.child_conditions import with_conditions
from ..status.fates import Fate
from .child_writer import ChildWriter
from .unwanted import remove_unseen

NAMES = {
    POD_MONITOR: children.names.pod_monitor,
    PROMETHEUS_RULE: children.names.prometheus_rule,
}


def is_insight(fate: Fate, name: str) -> bool:
    """Whether a child of the resource of that name is there to look at the service, and not for the service itself."""
    if fate.kind == CONFIG_MAP.kind:
        return children.names.is_dashboard(name, fate.name)
    return fate.kind in {kind.kind for kind in NAMES}


async def ensure_monitoring(subject: Subject, child_writer: ChildWriter) -> Made:
    """Make them as wanted, and remove those that are not wanted any more. Raises NotLeading, and what `go_on` raises."""
    owner, spec, served = subject.owner, subject.spec, subject.parts.served
    if served.kinds is None:
        # Whether a dashboard is wanted is not known: one that is there stays.
        if (dashboard := children.dashboard(owner, spec)) is not None:
            child_writer.wanted.add((dashboard["kind"], dashboard["metadata"]["name"]))
        return Made()
    wanted = _wanted(owner, spec, served.kinds, subject.parts.settings.runbook_url)
    for kind, name_of in NAMES.items():
        if kind not in served.kinds:
            subject.remembered.known.forget(kind.kind, name_of(owner.name))
    made, failed = [], []
    for manifest in wanted:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if await child_writer.ensure(manifest):
            made.append(f"{kind} {name}")
        elif (fate := subject.fates.of(kind, name)) is not None:
            failed.append(fate)
        else:
            served.lost(kind_of(manifest))
    for kind in sorted(served.kinds, key=lambda k: k.kind):
        if kind not in {kind_of(manifest) for manifest in wanted}:
            gone = await remove_unseen(subject, kind, NAMES[kind](owner.name))
            failed += [gone] if gone is not None else []
    return Made(tuple(made), tuple(failed))


def _wanted(owner: Owner, spec: MaraudersMapSpec, served: frozenset[Kind], runbook: str) -> list[Manifest]:
    """The dashboard as well only where something is: without Prometheus it would show nothing."""
    found = [
        children.pod_monitor(owner, spec) if POD_MONITOR in served else None,
        children.prometheus_rule(owner, spec, runbook) if PROMETHEUS_RULE in served else None,
        children.dashboard(owner, spec) if served else None,
    ]
    return [manifest for manifest in found if manifest is not None]


def with_monitoring(
    status: MaraudersMapStatus,
    before: MaraudersMapStatus,
    spec: MaraudersMapSpec,
    served: Served,
    made: Made | None,
    now: datetime,
) -> MaraudersMapStatus:
    """The status with MonitoringReady, there while monitoring is on. `made`: of the last convergence of this process;
    None before the first, when what is stored goes on to hold."""
    if not spec.monitoring.enabled:
        return status
    if served.kinds is None or (served.kinds and made is None):
        stored = before.condition(ConditionType.MONITORING_READY)
        return (
            status
            if stored is None
            else status.model_copy(update={"conditions": (*status.conditions, stored)})
        )
    made = made if made is not None and served.kinds else Made()
    lacking = [
        kind.kind
        for kind, on in ((POD_MONITOR, True), (PROMETHEUS_RULE, spec.monitoring.alerts.enabled))
        if on and kind not in served.kinds
    ]
    reason = Reason(made.failed[0].state) if made.failed else Reason.NO_PROMETHEUS_OPERATOR
    if not made.failed and not lacking:
        reason = Reason.AS_WANTED
    condition = (
        ConditionType.MONITORING_READY,
        not made.failed and not lacking,
        reason,
        _sentence(made, lacking),
    )
    return with_conditions(status, before, [condition], now)


def _sentence(made: Made, lacking: Sequence[str]) -> str:
    parts = [fate.sentence for fate in made.failed]
    if lacking:
        parts.append(
            f"the cluster has no kind {' and no kind '.join(lacking)} of {MONITORING[0].api_version}: nothing is made of it "
            "until the Prometheus operator is installed"
        )
    if made.objects:
        parts.append(f"made: {', '.join(made.objects)}")
    return "; ".join(parts)
