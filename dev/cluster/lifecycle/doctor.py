"""What this machine has, what `make` would install or build by itself, and what a person has to do first.

Nothing is changed and nothing is asked of the network: an answer within a second, before anything else is there.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from dev.cluster.host.paths import CHECKOUT, MACHINE, MACHINE_BIN, SUMMARY, program
from dev.cluster.images.sources import recorded_answer
from dev.cluster.lifecycle import daemon
from dev.cluster.lifecycle.cluster import named_kubeconfig

_GIB = 2**30
_MEMORY = 6 * _GIB
_DISK = 15 * _GIB
_OPTIONAL = {
    "npm": "make test-servers, bench-api",
    "chromium": "make test-browser (installed by it, as root)",
    "trivy": "make scan",
    "helm": "an installed chart (make helm builds one for the tests)",
}


class State(Enum):
    HAVE = "ok"
    WILL = "made"  # `make` installs or builds it
    LACK = "MISSING"
    SPARE = "optional"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for. `remedy` is empty unless the state is LACK."""

    what: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is looked at. `public_images` None: not asked yet."""

    has: Callable[[str], bool]
    root_with_apt: bool
    python: tuple[int, int]
    venv: bool
    docker_answers: Callable[[], bool]
    kubeconfig: Path | None
    registry: str
    public_images: bool | None
    built: bool
    """Whether the Kubernetes programs of a local node image are there."""
    memory: int
    disk: int
    processors: int


def examine(machine: Machine) -> list[Finding]:
    """Everything that was looked for, the necessary first. Pure."""
    return [_python(machine), *_cluster(machine), *_size(machine), *_optional(machine)]


def _python(machine: Machine) -> Finding:
    version = ".".join(map(str, machine.python))
    if machine.python >= (3, 11) and machine.venv:
        return Finding("Python", State.HAVE, version)
    text = f"{version}{'' if machine.venv else ' without venv'}; 3.11 or newer with venv is needed"
    if machine.root_with_apt and machine.python >= (3, 11):
        return Finding("Python", State.WILL, f"{text}: apt installs it")
    return Finding("Python", State.LACK, text, "install Python 3.11 or newer, with its venv module")


def _cluster(machine: Machine) -> list[Finding]:
    if machine.kubeconfig is not None:
        return _named(machine, machine.kubeconfig)
    findings = [_docker(machine)]
    if machine.public_images:
        findings.append(Finding("images", State.HAVE, "public ones can be pulled"))
    elif machine.built:
        findings.append(Finding("images", State.HAVE, "made here; the programs in them are built already"))
    elif machine.has("go") or machine.root_with_apt:
        text = "unless public ones can be pulled, they are made here: some 8 minutes, once per machine"
        findings.append(Finding("images", State.WILL, text))
    else:
        text = "where public ones cannot be pulled, they are built with Go, which is not there"
        remedy = "install Go 1.21 or newer, or see that Docker can pull, and set MARAUDERS_IMAGES=public"
        state = State.LACK if machine.public_images is False else State.SPARE
        findings.append(Finding("images", state, text, remedy if state is State.LACK else ""))
    return findings


def _named(machine: Machine, kubeconfig: Path) -> list[Finding]:
    there = kubeconfig.exists()
    remedy = "" if there else "correct KUBECONFIG, or unset it to get a cluster of this checkout's own"
    findings = [Finding("KUBECONFIG", State.HAVE if there else State.LACK, str(kubeconfig), remedy)]
    if not machine.has("kubectl"):
        findings.append(
            Finding("kubectl", State.LACK, "needed for the cluster of KUBECONFIG", "install kubectl")
        )
    if machine.registry:
        findings.append(Finding("registry", State.HAVE, machine.registry))
    else:
        remedy = "set MARAUDERS_REGISTRY to a registry that you may push to and the cluster pulls from"
        findings.append(Finding("registry", State.LACK, "needed for the cluster of KUBECONFIG", remedy))
    return findings


def _docker(machine: Machine) -> Finding:
    if machine.docker_answers():
        return Finding("Docker", State.HAVE, "answers")
    if machine.root_with_apt:
        return Finding("Docker", State.WILL, "does not answer: a daemon is started, after apt if need be")
    remedy = "start Docker, add yourself to its group, or run as root on Debian"
    return Finding("Docker", State.LACK, "does not answer, and only root can start one", remedy)


def _size(machine: Machine) -> Iterable[Finding]:
    if machine.kubeconfig is not None:
        return
    for what, have, need, remedy in (
        ("memory", machine.memory, _MEMORY, "end something large, or name another cluster by KUBECONFIG"),
        ("disk", machine.disk, _DISK, f"free some of the disk that has {MACHINE}, or set MARAUDERS_DEV_HOME"),
    ):
        enough = have >= need
        text = f"{have / _GIB:.0f} GiB free{'' if enough else f'; {need // _GIB} are needed for three nodes'}"
        yield Finding(what, State.HAVE if enough else State.LACK, text, "" if enough else remedy)
    text = f"{machine.processors}{'' if machine.processors >= 2 else ': everything takes twice as long'}"
    yield Finding("processors", State.HAVE, text)


def _optional(machine: Machine) -> Iterable[Finding]:
    for name, why in _OPTIONAL.items():
        if not machine.has(name):
            yield Finding(name, State.SPARE, f"not there: only for {why}")


def look() -> Machine:
    """This machine, as it is now."""
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text(encoding="ascii").splitlines() if meminfo.exists() else []
    available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)
    place = MACHINE if MACHINE.exists() else MACHINE.parent
    while not place.exists():
        place = place.parent
    return Machine(
        has=lambda name: program(name) is not None,
        root_with_apt=os.geteuid() == 0 and program("apt-get") is not None,
        python=sys.version_info[:2],
        venv=find_spec("venv") is not None and find_spec("ensurepip") is not None,
        docker_answers=daemon.reachable,
        kubeconfig=named_kubeconfig(),
        registry=os.environ.get("MARAUDERS_REGISTRY", ""),
        public_images=recorded_answer(),
        built=any(MACHINE_BIN.glob("*/nodebin")),
        memory=available if available is not None else _MEMORY,
        disk=shutil.disk_usage(place).free,
        processors=os.cpu_count() or 1,
    )


def report() -> int:
    """Print what was found; 1 when a person has to do something first."""
    findings = examine(look())
    for finding in findings:
        print(f"{finding.state.value:>8}  {finding.what}: {finding.text}")
    lacking = [f for f in findings if f.state is State.LACK]
    for finding in lacking:
        print(f"remedy for {finding.what}: {finding.remedy}", file=sys.stderr)
    return 1 if lacking else 0


def demo_plan(machine: Machine, *, cluster_up: bool, environment: bool = True) -> str:
    """What `make demo` is about to do, and how long it takes. Pure. `environment`: whether Python's is there already."""
    if machine.kubeconfig is not None:
        where, time = f"the cluster of {machine.kubeconfig}", "3 to 5 minutes"
    elif cluster_up:
        where, time = "the cluster of this checkout, which is there already", "1 to 2 minutes"
    elif machine.public_images or machine.built:
        where, time = "a new kind cluster (half a minute)", "2 to 3 minutes"
    else:
        where, time = "a new kind cluster, after its images have been pulled or made", "about 10 minutes"
    first = "" if environment else "the Python environment of this checkout (a minute); "
    return (
        f"make demo: {first}{where}; the images of API and operator; the operator; one MaraudersMap; two bad "
        f"revisions, each rolled back while a prober counts failed requests. {time[0].upper()}{time[1:]} on a quiet machine "
        "with two processors."
    )


def announce_demo() -> None:
    """Say so, for this machine."""
    environment = (CHECKOUT / ".venv" / "bin" / "python").exists()
    plan = demo_plan(look(), cluster_up=_summary_names_a_cluster(), environment=environment)
    print(plan, file=sys.stderr, flush=True)


def _summary_names_a_cluster() -> bool:
    return SUMMARY.exists() and json.loads(SUMMARY.read_text(encoding="utf-8"))["name"] is not None
