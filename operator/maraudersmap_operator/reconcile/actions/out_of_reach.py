"""Nothing is taken away that users' requests may still reach: seen live, in the same pass."""

from __future__ import annotations

from collections.abc import Collection

from maraudersmap_operator.resource.names import SHARED

from ..context.subject import Subject
from .dependence import NotYet
from .traffic import look, may_be_answered_by, others_answer


class Reach:
    """What users' requests reach, in one pass.

    `serving`: the revision that traffic goes to, in the words of `TrafficTarget`; as observed, then as this pass has
    moved it, then as the live look has shown it. `on_stage`: the stable revision and the candidate.
    """

    def __init__(self, subject: Subject, serving: str, on_stage: Collection[str]) -> None:
        self.serving = serving
        self._observed = serving
        self._subject = subject
        self._on_stage = on_stage
        self._looked = False

    async def before_taking_away(self, revision: str) -> None:
        """Raise NotYet unless no user's request can reach the revision."""
        await self._look()
        if self.serving == SHARED and revision not in self._on_stage:
            return  # while every revision's pods are selected, a third one cannot be taken out of traffic first
        if self.serving in (revision, SHARED):
            raise NotYet(f"users' requests may still reach revision {revision}")
        if pods := may_be_answered_by(self._subject.store, self._subject.key, revision):
            raise NotYet(
                f"users' requests may still reach revision {revision} through {', '.join(sorted(pods)[:3])}"
            )

    async def before_shrinking(self, revision: str, replicas: int) -> None:
        """Raise NotYet when pods that answer users would go before others are seen to answer."""
        if self._observed != self.serving:
            raise NotYet("traffic has just moved; what it left shrinks when it is seen to have moved")
        if replicas == 0 and self.serving != SHARED:
            await self.before_taking_away(revision)
            return
        await self._look()
        if replicas == 0 and not others_answer(self._subject.store, self._subject.key, revision):
            raise NotYet(f"only revision {revision} answers users' requests")

    async def _look(self) -> None:
        """See live, once in a pass, that the Service leads where the decision takes it to lead."""
        if self._looked:
            return
        selected = await look(self._subject)
        self._looked = True
        if selected != self.serving:
            self.serving = selected
            raise NotYet(f"the Service leads to {selected or 'nothing'}, which was not decided on")
