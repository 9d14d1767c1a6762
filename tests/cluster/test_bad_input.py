"""What a resource needs and does not get is reported in a condition that says what to do, and heals by itself."""

from __future__ import annotations

from tests.cluster import budgets
from tests.cluster.scenario import NAME, Scenario, merged, small_spec


def _message(scenario: Scenario, *words: str) -> str:
    """The message of the Ready condition, once it names all of this."""

    def reported() -> str | None:
        status, _, message = scenario.condition("Ready")
        return message if status == "False" and all(w in message for w in words) else None

    return scenario.until(reported, f"Ready=False that names {', '.join(words)}", budgets.NOTICED)


def test_a_missing_secret_is_named_and_heals(scenario: Scenario) -> None:
    # given
    secret_ref = {"name": "owl-post", "key": "signing-key"}
    spec = merged(small_spec(scenario.good), {"jwtSecret": {"secretRef": secret_ref}})
    # when
    scenario.resource_exists(spec)
    # then
    message = _message(scenario, "owl-post")
    assert "spec.jwtSecret.secretRef" in message
    assert scenario.condition("Ready")[1] == "SecretNotFound"
    assert scenario.api_deployments() == {}
    # and when it is there, but without the key
    scenario.do("create", "secret", "generic", "owl-post", "--from-literal=other=value")
    assert "'signing-key'" in _message(scenario, "owl-post", "key")
    # and when it is complete
    scenario.do("delete", "secret", "owl-post")
    scenario.do("create", "secret", "generic", "owl-post", f"--from-literal=signing-key={'x' * 48}")
    # then
    scenario.until_phase("Ready", budgets.READY)


def test_a_namespace_without_room_is_reported(scenario: Scenario) -> None:
    # given
    scenario.do("create", "quota", "no-room", "--hard=pods=0")
    # when
    scenario.resource_exists(small_spec(scenario.good))
    # then
    message = _message(scenario, "exceeded quota")
    assert "no-room" in message
    assert scenario.condition("Available")[0] == "False"
    # and when there is room
    scenario.do("delete", "quota", "no-room")
    # then
    scenario.until_phase("Ready", budgets.READY)


def test_a_foreign_object_is_never_taken_over(scenario: Scenario) -> None:
    # given
    scenario.do("create", "service", "clusterip", f"{NAME}-api", "--tcp=80:80")
    before = scenario.get("service", f"{NAME}-api")
    # when
    scenario.resource_exists(small_spec(scenario.good))
    # then
    message = _message(scenario, f"{NAME}-api")
    assert "rename" in message
    assert scenario.condition("Stalled")[:2] == ("True", "Conflict")
    assert scenario.get("service", f"{NAME}-api") == before
