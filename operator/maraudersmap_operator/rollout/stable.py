"""No rollout is on: keep the stable revision deployed, sized and in traffic, and clear away what is left of others."""

from __future__ import annotations

from maraudersmap_operator.resource.status_control import StableRevision

from .context import SOON, Context
from .verdict.control_group import follow


def keep_stable(context: Context, *also: str) -> None:
    """Hold the stable revision, and leave the pods of `also` alone; nothing to do without a stable one."""
    stable = context.status.stable
    if stable is None:
        return
    if (
        context.status.candidate is None
        and (seen := follow(stable, context.stable_facts, context.now)) is not stable
    ):
        context.learn(stable=seen)
    hold_stable(context, stable)
    restore_traffic(context, stable.revision)
    clear_others(context, keep={stable.revision, *also})


def hold_stable(context: Context, stable: StableRevision, least: int = 0) -> None:
    """Keep the stable revision deployed and sized, whatever else goes on; `least`: the pods that it needs for what it takes
    over."""
    context.deploy(stable.revision)
    size = context.facts(stable.revision).size
    if context.serves_nowhere or context.serves(stable.revision) or size == 0 or size < least:
        resize(context, stable.revision, least)


def restore_traffic(context: Context, revision: str) -> None:
    """All traffic belongs to the revision: put a moved selector back, and weights too."""
    context.set_weight(0)
    restore_selector(context, revision)


def restore_selector(context: Context, revision: str) -> None:
    """What does not come by the route's weights belongs to the revision."""
    if may_take_traffic(context, revision):
        context.route_to(revision)


def may_take_traffic(context: Context, revision: str) -> bool:
    """It is ready, or nothing else is: traffic never goes from, or past, ready pods to unready ones. What answers now need
    not have a Deployment any more: someone may have deleted that and left its pods, or taken a label off their
    ReplicaSet, so that they belong to no one."""
    observed = context.observed
    others = (f for f in observed.revisions.values() if f.revision != revision)
    answering = observed.ready_endpoints or observed.strangers_answer or any(f.ready for f in others)
    return context.facts(revision).ready > 0 or not answering


def resize(context: Context, revision: str, least: int = 0) -> None:
    """Bring the serving revision to its size. Under an autoscaler only less than `least` is corrected, and zero, which it
    ignores for ever."""
    size = context.facts(revision).size
    wanted = max(context.spec.wanted_size(size), least)
    if context.spec.autoscaling.enabled and size >= max(least, 1) and not context.spec.suspend:
        return
    if size != wanted:
        context.scale(revision, wanted)


def clear_others(context: Context, keep: set[str]) -> None:
    """Retire every revision not kept, once no traffic can reach it."""
    for name, facts in sorted(context.observed.revisions.items()):
        if name in keep or context.serves(name) or facts.deleting:
            continue
        if why := context.why_reached(name):
            context.asides.append(f"pods of {name} stay until no request can reach them: {why}")
            context.wake(SOON)
        else:
            context.retire(name)
