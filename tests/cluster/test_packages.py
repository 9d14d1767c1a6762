"""What others deliver with: the bundle for OLM by the judgement of OLM's own tool. It needs no cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from dev import olm
from dev.cluster.host import go_tools

pytestmark = pytest.mark.extended


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    assert olm.main(["--version", "0.1.0", "--to", str(tmp_path / "olm")]) == 0
    return tmp_path / "olm"


def verify(folder: Path) -> str:
    """Everything that operator-verify objects to; it ends with 0 whatever it finds."""
    program = str(go_tools.published("operator-verify"))
    options = ["manifests", "--operatorhub_validate", "--object_validate"]
    done = subprocess.run([program, *options, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


# One is about the tool itself. The other goes by the names of kinds in rules, which have no version: ours are present ones.
OF_NO_CONCERN = ("validator is deprecated", "using APIs which were deprecated and removed in v1.25")


def test_operator_verify_accepts_the_bundle(bundle: Path) -> None:
    objections = [line for line in verify(bundle).splitlines() if not any(w in line for w in OF_NO_CONCERN)]
    assert objections == []


def test_operator_verify_would_object(bundle: Path) -> None:
    """Else the test above would show nothing."""
    [file] = (bundle / "manifests").glob("*.clusterserviceversion.yaml")
    version = yaml.safe_load(file.read_text(encoding="utf-8"))
    version["metadata"]["annotations"]["capabilities"] = "Apparition"
    version["spec"]["customresourcedefinitions"]["owned"] = []
    file.write_text(yaml.safe_dump(version), encoding="utf-8")
    objections = verify(bundle)
    assert "Apparition" in objections
    assert "is present in bundle" in objections
