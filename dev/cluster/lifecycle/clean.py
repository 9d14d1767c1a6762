"""Leaving nothing behind: processes, mounts, interfaces, firewall chains, caches.

What belongs to a Docker daemon of the machine's own is left to it; there only our containers, networks and images go.
Packages that were installed with apt stay, and are named.
"""

import json
import os
import shutil
import signal
from pathlib import Path

from dev.cluster.host.console import print_line, step
from dev.cluster.host.mounts import remove_tree, unmount_below
from dev.cluster.host.paths import CHECKOUT, MACHINE, MACHINE_RUN, STATE, program
from dev.cluster.host.shell import run, succeeds, wait_until
from dev.cluster.lifecycle import cluster, daemon
from dev.cluster.network import registry

_CACHES = (
    ".venv",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".import_linter_cache",
    ".hypothesis",
    "build",
    "dist",
)
_NETS = Path("/sys/class/net")
_TABLES = ("filter", "nat")


def clean_all() -> None:
    """Remove everything that the commands of this checkout ever made on this machine."""
    ours = daemon.running_pid() is not None
    if daemon.reachable():
        _remove_from_docker()
    cluster.down()
    for lock in MACHINE.parent.glob(f"{MACHINE.name}*.lock"):
        lock.unlink(missing_ok=True)
    began_here = ours or (MACHINE / "docker").exists()
    if ours:
        daemon.stop()
    if began_here and os.geteuid() == 0:
        with step("removing what the Docker daemon left"):
            _end_orphans()
            unmount_below(MACHINE_RUN)
            unmount_below(MACHINE)
            _remove_interfaces()
            for table in _TABLES:
                _remove_chains(table)
            _restore_machine()
            _remove_cgroups()
    with step(f"removing {MACHINE} and {STATE}"):
        for folder in (MACHINE, MACHINE_RUN, STATE):
            if folder.exists():
                remove_tree(folder)
        for name in _CACHES:
            shutil.rmtree(CHECKOUT / name, ignore_errors=True)
    print_line(
        "installed packages stay: apt-get purge docker.io debootstrap iptables, if this machine should lose them"
    )


def _remove_from_docker() -> None:
    """Remove our containers, networks and images, of every clone: their caches are about to go as well."""
    for label in ("marauders.cluster", "io.x-k8s.kind.cluster"):
        rows = run(["docker", "ps", "-a", "--filter", f"label={label}", "--format", "{{.Names}}"]).split()
        ours = [row for row in rows if row.startswith("marauders-")]
        if ours:
            run(["docker", "rm", "-f", "-v", *ours])
    networks = run(["docker", "network", "ls", "-q", "--filter", "label=marauders"]).split()
    if networks:
        run(["docker", "network", "rm", *networks])
    if succeeds(["docker", "volume", "inspect", registry.VOLUME]):
        run(["docker", "volume", "rm", registry.VOLUME])
    images = run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"]).split()
    ours = [i for i in images if i.rpartition("/")[2].startswith("marauders-") and not i.endswith("<none>")]
    if ours:
        run(["docker", "rmi", "-f", *ours])


def processes_of(commands: dict[int, str], folder: str) -> list[int]:
    """The pids among {pid: command line} that name our folder: containerd and shims of a daemon that was killed."""
    return [pid for pid, command in commands.items() if folder in command]


def _end_orphans() -> None:
    def left() -> list[int]:
        commands = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    commands[int(entry.name)] = (
                        (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    )
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it ended meanwhile
        return [pid for pid in processes_of(commands, f"{MACHINE_RUN}/") if pid != os.getpid()]

    for pid in left():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not left(), "what a killed daemon left running", seconds=20)


def _remove_interfaces() -> None:
    for interface in _NETS.iterdir():
        if interface.name == "docker0" or (
            interface.name.startswith("br-") and (interface / "bridge").exists()
        ):
            succeeds(["ip", "link", "delete", interface.name])


def leftovers(listed: str) -> tuple[list[list[str]], list[str]]:
    """The rules to delete, as arguments after -D, and the chains to drop, from the text of `iptables -S`.

    Ours are Docker's chains, every rule that names one, every rule about its bridges, and the one that lets a container
    reach its own published port: that names no bridge, only the container's address twice.
    """
    words = [line.split() for line in listed.splitlines()]
    chains = [w[1] for w in words if w[0] == "-N" and w[1].startswith("DOCKER")]
    rules = []
    for line in words:
        if line[0] != "-A" or line[1] in chains:
            continue
        about_bridges = any(w in chains or w == "docker0" or w.startswith("br-") for w in line[2:])
        to_itself = line[-1] == "MASQUERADE" and line[2] == "-s" and line[4:6] == ["-d", line[3]]
        if about_bridges or to_itself:
            rules.append(line[1:])
    return rules, chains


def _remove_chains(table: str) -> None:
    if program("iptables") is None:
        return
    iptables = ["iptables", "-w", "-t", table]
    rules, chains = leftovers(run([*iptables, "-S"]))
    for rule in rules:
        run([*iptables, "-D", *rule])
    for chain in chains:
        run([*iptables, "-F", chain])
    for chain in chains:
        run([*iptables, "-X", chain])


def _restore_machine() -> None:
    """Put back what starting the daemon changed, as it was written down before the first start."""
    if not daemon.BEFORE.exists():
        return
    before = json.loads(daemon.BEFORE.read_text(encoding="utf-8"))
    daemon.IP_FORWARD.write_text(before["ip_forward"], encoding="ascii")
    daemon.INOTIFY.write_text(before["inotify_instances"], encoding="ascii")
    run(["iptables", "-w", "-P", "FORWARD", before["forward_policy"]])
    modules = Path("/lib/modules")
    # kind mounts it into its nodes, and Docker makes what it shall mount.
    if not before["lib_modules"] and modules.is_dir() and not any(modules.iterdir()):
        modules.rmdir()


def _remove_cgroups() -> None:
    """The kernel lets empty cgroups be removed, the innermost first; one still in use stays."""
    for controller in Path("/sys/fs/cgroup").glob("*/docker"):
        for folder in sorted((p for p in controller.rglob("*") if p.is_dir()), reverse=True):
            succeeds(["rmdir", str(folder)])
        succeeds(["rmdir", str(controller)])
