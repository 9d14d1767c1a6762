"""Installing what a fresh Debian lacks, and saying so."""

import os
from collections.abc import Iterable

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import program
from dev.cluster.host.shell import run

_PACKAGE_OF = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "iptables": "iptables",
    "ip": "iproute2",
    "debootstrap": "debootstrap",
    "runc": "runc",
    "go": "golang-go",
}


def need(programs: Iterable[str], why: str) -> None:
    """See that the programs are there, by apt where this machine has it and we are root."""
    missing = [p for p in programs if program(p) is None]
    if not missing:
        return
    packages = sorted({_PACKAGE_OF[p] for p in missing})
    remedy = f"install by hand: apt-get install {' '.join(packages)}"
    if program("apt-get") is None:
        raise Problem(
            f"{', '.join(missing)} missing ({why})", f"install {', '.join(missing)} by this machine's means"
        )
    if os.geteuid() != 0:
        raise Problem(f"{', '.join(missing)} missing ({why})", f"sudo {remedy.partition(': ')[2]}")
    print_line(f"installing {', '.join(packages)} with apt: {', '.join(missing)} missing ({why})")
    # policy-rc.d is not touched: where services do start by themselves, a running dockerd is what we want.
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    with step(f"apt-get install {' '.join(packages)}"):
        run(["apt-get", "update", "-qq"], env=quiet, remedy="check this machine's network and /etc/apt")
        run(install, env=quiet, remedy=remedy)
    if still := [p for p in missing if program(p) is None]:
        raise Problem(f"{', '.join(still)} still missing after installing {', '.join(packages)}", remedy)
