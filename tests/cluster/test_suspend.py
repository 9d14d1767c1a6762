"""Suspending ends every pod and keeps the rest; it also shows that the prober sees an outage when there is one."""

from __future__ import annotations

from tests.cluster import budgets
from tests.cluster.scenario import Scenario


def test_suspend_and_resume(small: Scenario) -> None:
    # given
    small.is_ready()
    children = small.children()
    stable = small.status()["stable"]["revision"]
    with small.probed() as prober:
        # when
        small.edit(suspend=True)
        small.until_phase("Suspended", budgets.NOTICED)
        small.until_true(lambda: not small.pods(stable), "no pod of the API", budgets.GONE)
        # then
        assert small.children() == children
        small.until_true(lambda: prober.read().failed_new > 0, "failures on new connections", budgets.NOTICED)
        small.until_true(lambda: prober.read().failed_kept > 0, "failures on the kept one", budgets.NOTICED)
    # and when
    small.edit(suspend=False)
    # then
    assert small.until_phase("Ready", budgets.HEALED)["stable"]["revision"] == stable
