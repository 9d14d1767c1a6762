"""The Docker daemon: the machine's where there is one, else one of ours that is started again when it died."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.packages import need
from dev.cluster.host.paths import MACHINE, MACHINE_BIN, MACHINE_RUN, program, write_whole
from dev.cluster.host.shell import run, succeeds, wait_until
from dev.cluster.lifecycle import oci_runtime
from dev.cluster.network import addresses

PID_FILE = MACHINE_RUN / "docker.pid"
LOG = MACHINE / "dockerd.log"
DATA_ROOT = MACHINE / "docker"
SOCKET = Path("/run/docker.sock")
_RUNTIME = MACHINE_BIN / "marauders-runc"
BEFORE = MACHINE / "before.json"
"""What this machine was like before a daemon of ours first changed it."""
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_INSTANCES = 1024
"""A node takes some ten of them; of the usual 128, a second cluster's kubelets get none and never join."""
_BRIDGE_CHOICE = MACHINE / "bridge.json"
_CAP_SYS_RESOURCE = 24
_START_SECONDS = 60
_STOP_SECONDS = 60


def reachable() -> bool:
    """Whether a daemon answers, ours or the machine's."""
    return program("docker") is not None and succeeds(["docker", "version"], timeout=20)


def ensure() -> bool:
    """Leave with a daemon that answers; True when it had to be started. Raises Problem with what to do."""
    if reachable():
        return False
    if os.uname().sysname != "Linux" or os.geteuid() != 0:
        raise Problem(
            "no Docker daemon answers", "start Docker (Docker Desktop, or `sudo systemctl start docker`)"
        )
    need(["docker", "dockerd", "runc", "iptables", "ip"], "no Docker daemon answers")
    if reachable():  # the package's own service may have come up
        return True
    if program("systemctl") and Path("/run/systemd/system").is_dir():
        succeeds(["systemctl", "start", "docker"], timeout=_START_SECONDS)
        if reachable():
            return True
    with step("starting a Docker daemon"):
        _clear_dead()
        _write_down_before()
        _start()
    if int(INOTIFY.read_text(encoding="ascii")) < _INOTIFY_INSTANCES:
        INOTIFY.write_text(str(_INOTIFY_INSTANCES), encoding="ascii")
    return True


def running_pid() -> int | None:
    """The pid of a daemon of ours that is alive, or None."""
    try:
        pid = int(PID_FILE.read_text(encoding="ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    # A pid file outlives a kill, and the number may since belong to anyone.
    return pid if b"dockerd" in command and str(DATA_ROOT).encode() in command else None


def stop() -> None:
    """End our daemon and its containers; the machine's own daemon is never touched."""
    pid = running_pid()
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: running_pid() is None, "the Docker daemon stopping", seconds=_STOP_SECONDS)
    print_line(f"stopped our Docker daemon (pid {pid})")


def _clear_dead() -> None:
    """Remove what keeps a new daemon from starting after the old one was killed."""
    PID_FILE.unlink(missing_ok=True)
    if SOCKET.exists():
        SOCKET.unlink()
    # An old bridge keeps its address; the daemon refuses one that differs from --bip.
    if Path("/sys/class/net/docker0").exists():
        succeeds(["ip", "link", "delete", "docker0"])


def _write_down_before() -> None:
    """Once, so that clean-all can put things back. Docker turns forwarding on and its policy to DROP; we raise a limit."""
    if BEFORE.exists():
        return
    policy = run(["iptables", "-w", "-S", "FORWARD"]).split()[2]
    before = {
        "ip_forward": IP_FORWARD.read_text(encoding="ascii").strip(),
        "forward_policy": policy,
        "inotify_instances": INOTIFY.read_text(encoding="ascii").strip(),
        "lib_modules": Path("/lib/modules").exists(),
    }
    write_whole(BEFORE, json.dumps(before))


def _bridge() -> addresses.Network:
    """The range of Docker's bridge: the one of last time while it is still free, else another."""
    ours = [
        p.name for p in Path("/sys/class/net").iterdir() if p.name == "docker0" or p.name.startswith("br-")
    ]
    used = addresses.host_networks(ignore=ours)
    if _BRIDGE_CHOICE.exists():
        before = addresses.Network(json.loads(_BRIDGE_CHOICE.read_text(encoding="utf-8"))["bridge"])
        if not any(before.overlaps(other) for other in used):
            return before
    chosen = addresses.choose_bridge(used)
    write_whole(_BRIDGE_CHOICE, json.dumps({"bridge": str(chosen)}))
    return chosen


def lacks_capability(status: str, bit: int) -> bool:
    """Whether the bounding set in the text of /proc/self/status lacks a capability."""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return not int(line.split()[1], 16) >> bit & 1
    return False


def _runtime_options() -> list[str]:
    if not lacks_capability(Path("/proc/self/status").read_text(encoding="utf-8"), _CAP_SYS_RESOURCE):
        return []
    MACHINE_BIN.mkdir(parents=True, exist_ok=True)
    shutil.copy(oci_runtime.__file__, _RUNTIME)
    _RUNTIME.chmod(0o755)
    return [f"--add-runtime=marauders={_RUNTIME}", "--default-runtime=marauders"]


def _start() -> None:
    bridge = _bridge()
    for folder in (MACHINE_RUN, DATA_ROOT):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        "dockerd",
        f"--data-root={DATA_ROOT}",
        f"--exec-root={MACHINE_RUN / 'docker'}",
        f"--pidfile={PID_FILE}",
        f"--host=unix://{SOCKET}",
        f"--bip={next(bridge.hosts())}/{bridge.prefixlen}",
        "--storage-driver=overlay2",
        *_runtime_options(),
    ]
    with LOG.open("w", encoding="utf-8") as log:
        # Its own session: it outlives this command and the terminal.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    remedy = f"read {LOG}"

    def up() -> bool:
        if process.poll() is not None:
            tail = "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
            raise Problem(f"dockerd ended with {process.returncode}:\n{tail}", remedy)
        return reachable()

    wait_until(up, "the Docker daemon answering", seconds=_START_SECONDS, remedy=remedy)
    # A kill leaves containers that restart by themselves; what cannot is the business of who made them.
    run(["docker", "info"])
