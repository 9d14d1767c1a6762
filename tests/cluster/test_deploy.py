"""`make deploy`: a good image ends it well; a bad one ends it with the operator's own words, while users notice nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dev.deploy import main
from tests.cluster.scenario import Scenario

pytestmark = pytest.mark.extended


def test_a_bad_image_ends_the_deployment_with_the_cause_and_the_evidence(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    summary, output = tmp_path / "summary", tmp_path / "output"
    monkeypatch.setitem(os.environ, "KUBECONFIG", scenario.kubectl.kubeconfig)
    monkeypatch.setitem(os.environ, "GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setitem(os.environ, "GITHUB_OUTPUT", str(output))
    place = ("development", "--namespace", scenario.namespace, "--timeout", "600")
    # when
    assert main([*place, "--image", scenario.good]) == 0
    # then
    assert f"`{scenario.good}` serves" in summary.read_text()
    assert output.read_text() == f"url=http://marauders-map-api.{scenario.namespace}.svc\n"
    # and when
    bad = f"{scenario.good.rpartition(':')[0]}:no-such-tag"
    summary.unlink()
    assert main([*place, "--image", bad]) == 1
    # then
    status = scenario.status()
    assert status["phase"] == "RolledBack"
    report = summary.read_text()
    assert f"`{bad}` was not deployed" in report
    assert status["message"] in report
    # and the evidence is what the kubelet said
    assert "ImageNotFound" in report
    assert status["stable"]["image"] == scenario.good
