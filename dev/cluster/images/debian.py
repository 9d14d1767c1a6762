"""The Debian that our images start from where none can be pulled: debootstrap, once per machine."""

import shutil
from pathlib import Path

from dev.cluster.host.console import print_line, step
from dev.cluster.host.mounts import remove_tree
from dev.cluster.host.packages import need
from dev.cluster.host.paths import MACHINE, digest
from dev.cluster.host.shell import run
from dev.cluster.images import inventory

SUITE = "trixie"
_INCLUDE = "ca-certificates"
# Paths that neither this system nor the packages installed on it later need.
_USELESS = ("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man", "usr/share/lintian")
_DPKG_SETTINGS = "".join(f"path-exclude=/{path}/*\n" for path in _USELESS)
_APT_SETTINGS = (
    'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\nAPT::Keep-Downloaded-Packages "false";\n'
)
_APT_SETTINGS += 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n'


def image() -> str:
    """The name of the Debian image, which has the hash of what it was made from."""
    return f"marauders-debian:{SUITE}-{digest(SUITE, _INCLUDE, _DPKG_SETTINGS, _APT_SETTINGS)}"


def ensure() -> str:
    """Make the image unless Docker has it, and return its name."""
    name = image()
    if inventory.exists(name):
        return name
    archive = MACHINE / "debian" / f"{name.partition(':')[2]}.tar"
    if not archive.exists():
        need(["debootstrap"], "no base image can be pulled here, so one is made from Debian packages")
        folder = archive.with_suffix(".partial")
        if folder.exists():
            print_line(f"removing {folder}, half made by an earlier start")
            remove_tree(folder)
        archive.parent.mkdir(parents=True, exist_ok=True)
        with step(f"debootstrap of Debian {SUITE} (about a minute)"):
            command = ["debootstrap", "--variant=minbase", f"--include={_INCLUDE}", SUITE, str(folder)]
            run(
                command,
                log=MACHINE / "debian" / "debootstrap.log",
                remedy="check that apt works on this machine",
            )
            _slim(folder)
            partial = archive.with_suffix(".tar.tmp")
            run(["tar", "-C", str(folder), "--numeric-owner", "-cf", str(partial), "."])
            partial.replace(archive)
            remove_tree(folder)
    with step(f"importing {name}"):
        run(["docker", "import", str(archive), name])
        inventory.prune(name)
    return name


def _slim(folder: Path) -> None:
    """Drop caches and documentation, and see that packages installed later leave none."""
    for useless in _USELESS:
        shutil.rmtree(folder / useless, ignore_errors=True)
        (folder / useless).mkdir(parents=True)
    for emptied in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(folder / emptied)
        (folder / emptied / "partial").mkdir(parents=True)
    (folder / "etc/dpkg/dpkg.cfg.d/marauders").write_text(_DPKG_SETTINGS, encoding="ascii")
    (folder / "etc/apt/apt.conf.d/marauders").write_text(_APT_SETTINGS, encoding="ascii")
