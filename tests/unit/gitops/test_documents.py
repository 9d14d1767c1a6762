"""What docs/gitops.md shows is what comes out."""

from __future__ import annotations

from pathlib import Path

import yaml
from dev import gitops
from tests.unit.gitops.situations import situation
from tests.unit.gitops.test_argocd import run

from maraudersmap_operator.resource.names import KEPT

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")


async def test_the_output_of_a_rejected_commit() -> None:
    resource = await situation("rolled-back")
    judged = run("health.lua", resource)
    conditions = {c["type"]: f"{c['status']}, {c['reason']}" for c in resource["status"]["conditions"]}
    shown = (
        f"```\nhealth:  {judged['status']}\nmessage: {judged['message']}\n"
        f"Ready:   {conditions['Ready']}\nStalled: {conditions['Stalled']}\n```"
    )
    assert shown in DOCUMENT


async def test_a_rollback_leaves_the_spec_as_git_has_it() -> None:
    """The claim that everything else in the document rests on: only the status and annotations of ours differ."""
    resource = await situation("rolled-back")
    assert resource["spec"]["config"]["env"][0] == {"name": "MISBEHAVE", "value": "crash"}
    spec_writers = {
        entry["manager"]
        for entry in resource["metadata"]["managedFields"]
        if "f:spec" in entry["fieldsV1"] and not entry.get("subresource")
    }
    assert spec_writers == {"kubectl-client-side-apply", "kubectl-patch"}


def test_the_annotations_that_keep_data_are_the_documented_ones() -> None:
    assert all(f"{key}: {value}" in DOCUMENT and f"{key}={value}" in DOCUMENT for key, value in KEPT.items())


def test_the_examples_name_what_is_there() -> None:
    application = yaml.safe_load((gitops.FOLDER / "application.yaml").read_text(encoding="utf-8"))
    _, kustomization = yaml.safe_load_all(
        (ROOT / "manifests" / "gitops" / "flux" / "kustomization.yaml").read_text(encoding="utf-8")
    )
    overlay = ROOT / application["spec"]["source"]["path"]
    assert ROOT / kustomization["spec"]["path"] == overlay
    namespace = yaml.safe_load((overlay / "kustomization.yaml").read_text(encoding="utf-8"))["namespace"]
    [check] = kustomization["spec"]["healthChecks"]
    assert application["spec"]["destination"]["namespace"] == check["namespace"] == namespace
