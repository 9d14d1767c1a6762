"""No rollout is on: keep the stable revision deployed, sized and in traffic, and clear away what is left of others."""

from __future__ import annotations

from maraudersmap_operator.resource.status_control import StableRevision

from .actions import Deploy, Retire, ScaleTo
from .context import SOON, Turn
from .strategy import wanted_size
from .verdict.control_baseline import follow


def keep_stable(turn: Turn, *also: str) -> None:
    """Hold the stable revision, and leave the pods of `also` alone; nothing to do without a stable one."""
    stable = turn.status.stable
    if stable is None:
        return
    if turn.status.candidate is None and (seen := follow(stable, turn.stable_facts, turn.now)) is not stable:
        turn.learn(stable=seen)
    hold_stable(turn, stable)
    restore_traffic(turn, stable.revision)
    clear_others(turn, keep={stable.revision, *also})


def hold_stable(turn: Turn, stable: StableRevision) -> None:
    """Keep the stable revision deployed and sized, whatever else goes on."""
    if stable.revision not in turn.observed.revisions:
        # Somebody deleted it: the ControllerRevision rebuilds it exactly.
        turn.act(Deploy(stable.revision))
    if turn.serving in ("", stable.revision) or turn.facts(stable.revision).size == 0:
        resize(turn, stable.revision)


def restore_traffic(turn: Turn, revision: str) -> None:
    """All traffic belongs to the revision: put a moved selector back, and weights too."""
    turn.weigh(0)
    restore_selector(turn, revision)


def restore_selector(turn: Turn, revision: str) -> None:
    """What does not come by the route's weights belongs to the revision."""
    if may_take_traffic(turn, revision):
        turn.route(revision)


def may_take_traffic(turn: Turn, revision: str) -> bool:
    """It is ready, or nobody else is either: traffic never goes from, or past, ready pods to unready ones."""
    others = (f for f in turn.observed.revisions.values() if f.revision != revision)
    return turn.facts(revision).ready > 0 or not any(f.ready for f in others)


def resize(turn: Turn, revision: str) -> None:
    """Bring the serving revision to its size. Under an autoscaler only zero is corrected: it ignores zero for ever."""
    size = turn.facts(revision).size
    wanted = wanted_size(turn.spec, size)
    if turn.spec.autoscaling.enabled and size > 0 and not turn.spec.suspend:
        return
    if size != wanted:
        turn.act(ScaleTo(revision, wanted))


def clear_others(turn: Turn, keep: set[str]) -> None:
    """Retire every revision not kept, once no traffic can reach it."""
    for name, facts in sorted(turn.observed.revisions.items()):
        if name in keep or name == turn.serving or facts.deleting:
            continue
        if turn.endpoints_left(name):
            turn.act(Retire(name))
        else:
            turn.asides.append(
                f"pods of {name} stay until no request can reach them: {turn.why_not_left(name)}"
            )
            turn.wake(SOON)
