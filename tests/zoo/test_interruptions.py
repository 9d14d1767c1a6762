"""The operator dies at each step, and a schema that cannot be gone back from."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from dev.kube import Kubectl
from dev.operator_install import leader
from dev.operator_objects import NAMESPACE
from tests.cluster import budgets
from tests.zoo.cage import Cage


def _kill_the_leader(cage: Cage, kubectl: Kubectl) -> None:
    """Without grace, as a lost node takes it: no lease is released."""
    name = cage.until(lambda: leader(kubectl), "a leader", budgets.TAKEN_OVER)
    kubectl("-n", NAMESPACE, "delete", "pod", name, "--force", "--grace-period=0")
    cage.until_true(
        lambda: leader(kubectl) not in (None, name), f"another leader than {name}", budgets.TAKEN_OVER
    )


@pytest.mark.parametrize(
    ("strategy", "step"),
    [
        ("BlueGreen", "Migrating"),
        ("BlueGreen", "FullSize"),
        ("BlueGreen", "Baking"),
        ("Canary", "Sharing"),
        ("Rolling", "Sharing"),
    ],
)
def test_operator_killed_in_a_good_rollout(
    zoo: Callable[[str], Cage], kubectl: Kubectl, strategy: str, step: str
) -> None:
    cage = zoo(strategy)
    with cage.trial(f"operator killed at {step}, good revision") as trial:
        trial.misbehave("")
        cage.until_step(step)
        _kill_the_leader(cage, kubectl)
        trial.until_promoted()


@pytest.mark.parametrize("strategy", ["BlueGreen", "Rolling"])
def test_operator_killed_while_it_goes_back(
    zoo: Callable[[str], Cage], kubectl: Kubectl, strategy: str
) -> None:
    """The verdict is in the status, traffic in the Service: the next leader goes on from there."""
    cage = zoo(strategy)
    with cage.trial("operator killed while it goes back", failed_percent=40) as trial:
        trial.misbehave("hangs:5")
        cage.until(lambda: (cage.status().get("candidate") or {}).get("verdict"), "a verdict", 120)
        _kill_the_leader(cage, kubectl)
        trial.until_rejected()


def test_irreversible_migration(zoo: Callable[[str], Cage]) -> None:
    """The schema has moved on: nothing goes back by itself, the status says so, and a person may."""
    cage = zoo("BlueGreen")
    with cage.trial("bad revision behind an irreversible migration") as trial:
        trial.misbehave("migrate-changes,crash", migrations={"reversible": False})
        status = cage.until_phase("Stalled", budgets.ROLLED_BACK)
        assert status["rejected"] == cage.ledger
        assert cage.condition("Ready")[1] == "IrreversibleMigration"
        cage.annotate("hogwarts.edu/abort", uuid.uuid4().hex)
        entry = trial.until_rejected()
        assert entry["reason"] == "Aborted"
        trial.outcome = "waits for a person, then aborted"
