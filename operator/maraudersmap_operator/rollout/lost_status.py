"""A status that names no revision although one serves, or one that there is not: the resource came back without it, from a
backup, or someone has edited it.

What serves then is not a first deployment with nothing to lose: it is what traffic stays on, and what is gone back to. Which
revision that is follows from what runs; what the lost status had learned (ledger, history) is not known any more.
"""

from __future__ import annotations

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step
from maraudersmap_operator.resource.status_control import StableRevision
from maraudersmap_operator.resource.status_memory import CandidateMemory, Progress

from .context import Context
from .facts import RecordedRevision, TargetRevision


def take_up_what_serves(context: Context, target: TargetRevision | None) -> None:
    """Name the stable revision, and the candidate that has traffic, by what runs. Nothing to do on a status that remembers
    something, apart from a stable revision of which there is nothing, or where no recorded revision serves."""
    if context.observed.unasked:
        return
    if not context.status_lost:
        _replace_stable(context)
        return
    _remember_restart(context)
    stable = _only_one(context) if target is None else _stable(context, target)
    if stable is None:
        return
    context.learn(stable=StableRevision(revision=stable.revision, image=stable.image, since=context.now))
    if (
        target is not None
        and target.revision in context.observed.revisions
        and context.reaches(target.revision)
    ):
        context.learn(candidate=_in_traffic(context, target))
    context.warn(
        Reason.STATUS_LOST,
        f"The status was empty although {context.serving.word or 'no revision'} has traffic: {stable.revision} "
        f"({stable.image}) counts as stable, as it runs; which revisions were rejected before is not known any more",
    )


def _remember_restart(context: Context) -> None:
    """For which change of their Secrets pods were started, they show themselves: no reason to exchange them again."""
    pods = (p for facts in context.observed.revisions.values() for p in facts.active)
    if newest := max(pods, key=lambda p: p.created_at, default=None):
        context.learn(secrets=context.status.secrets.model_copy(update={"restarted_for": newest.secrets}))


def _replace_stable(context: Context) -> None:
    """Where someone has written a stable revision that does not run and cannot be rebuilt, it is what serves."""
    observed, stable, candidate = context.observed, context.status.stable, context.status.candidate
    if stable is None or stable.revision in {*observed.revisions, *observed.recorded}:
        return
    serving = next((r for r in observed.recorded.values() if context.serves(r.revision)), None)
    if serving is None or (candidate is not None and candidate.revision == serving.revision):
        return
    context.learn(stable=StableRevision(revision=serving.revision, image=serving.image, since=context.now))
    context.warn(
        Reason.STATUS_LOST,
        f"Of the stable revision that the status named, {stable.revision}, there is nothing: {serving.revision} "
        f"({serving.image}) has the traffic and counts as stable",
    )


def _only_one(context: Context) -> RecordedRevision | None:
    """What serves, if nothing else is deployed: then it is stable, whatever the spec asks for. Of two, the one that
    serves may have been on trial."""
    deployed = [name for name, facts in context.observed.revisions.items() if not facts.deleting]
    if len(deployed) != 1 or not context.serves(deployed[0]):
        return None
    return context.observed.recorded.get(deployed[0])


def _stable(context: Context, target: TargetRevision) -> RecordedRevision | None:
    """What serves, or beside the target the newest other one that is deployed: the target may have been on trial."""
    observed = context.observed
    deployed = [
        observed.recorded[name]
        for name, facts in observed.revisions.items()
        if name != target.revision and name in observed.recorded and not facts.deleting
    ]
    if not (context.shares or context.serves(target.revision)):
        return next((r for r in deployed if context.serves(r.revision)), None)
    return max(deployed, key=lambda r: (context.facts(r.revision).ready > 0, r.number), default=None)


def _in_traffic(context: Context, target: TargetRevision) -> CandidateRevision:
    """The target where its traffic shows it to be: its watch begins again."""
    size = sum(f.size for f in context.observed.revisions.values() if not f.deleting)
    return CandidateRevision(
        revision=target.revision,
        image=target.image,
        strategy=context.spec.rollout.strategy,
        started_at=context.now,
        step=Step.SHARING if context.shares else Step.BAKING,
        step_started_at=context.now,
        had_traffic=True,
        memory=CandidateMemory(
            progress=Progress(progressed_at=context.now, full_size=context.spec.wanted_size(size))
        ),
    )
