"""The runtime wrapper edits exactly what runc is about to read."""

import json
from pathlib import Path
from typing import Any

import pytest
from dev.cluster.lifecycle import daemon, oci_runtime

PROCESS: dict[str, Any] = {
    "args": ["sleep"],
    "capabilities": {
        "bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"],
        "effective": ["CAP_SYS_RESOURCE", "CAP_KILL"],
    },
}


def test_the_capability_leaves_every_set() -> None:
    """What else a process may do stays, and the input is not changed."""
    edited = oci_runtime.without_capability(PROCESS)
    assert edited["capabilities"] == {"bounding": ["CAP_CHOWN"], "effective": ["CAP_KILL"]}
    assert "CAP_SYS_RESOURCE" in PROCESS["capabilities"]["bounding"]


def test_a_process_without_capabilities_stays_as_it_is() -> None:
    """An exec that asks for none must not get an empty set, which means something else."""
    assert oci_runtime.without_capability({"args": ["true"]}) == {"args": ["true"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--root", "/run/x", "--log", "/log", "create", "--bundle", "BUNDLE", "id"],
        ["--systemd-cgroup", "run", "--bundle=BUNDLE", "id"],
        ["create", "-b", "BUNDLE", "id"],
    ],
)
def test_a_new_container_has_its_bundle_edited(arguments: list[str], tmp_path: Path) -> None:
    """Each way in which containerd names the bundle is understood."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"process": PROCESS, "root": {"path": "rootfs"}}), encoding="utf-8")
    oci_runtime.prepare([a.replace("BUNDLE", str(tmp_path)) for a in arguments])
    spec = json.loads(config.read_text(encoding="utf-8"))
    assert spec["process"]["capabilities"]["bounding"] == ["CAP_CHOWN"]
    assert spec["root"] == {"path": "rootfs"}


def test_an_exec_has_its_process_file_edited(tmp_path: Path) -> None:
    """`docker exec --privileged`, which kind uses throughout, asks for every capability too."""
    process = tmp_path / "process.json"
    process.write_text(json.dumps(PROCESS), encoding="utf-8")
    oci_runtime.prepare(["--log", "/log", "exec", "--process", str(process), "--detach", "id"])
    assert json.loads(process.read_text(encoding="utf-8"))["capabilities"]["effective"] == ["CAP_KILL"]


def test_other_commands_touch_nothing() -> None:
    """`state`, `kill` and `delete` name no file."""
    oci_runtime.prepare(["--root", "/run/x", "state", "id"])
    assert oci_runtime.command_of(["--root", "create", "state", "id"]) == "state"


@pytest.mark.parametrize(
    ("bounding", "lacks"),
    [("000001fffeffffff", True), ("000001ffffffffff", False)],
)
def test_the_wrapper_is_wanted_only_where_the_capability_is_missing(bounding: str, lacks: bool) -> None:
    """Bit 24 of the bounding set decides."""
    status = f"Name:\tpython3\nCapPrm:\t0000000000000000\nCapBnd:\t{bounding}\n"
    assert daemon.lacks_capability(status, 24) is lacks
