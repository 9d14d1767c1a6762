"""Copy the files of the packages that a Python program needs at run time to an empty folder.

Runs inside the build base: `python3 trim.py /out`. The list of packages is closed by hand, because the dependencies
that Debian declares also name tools (perl, a shell, dpkg) that no running Python program calls.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = (
    "base-files",
    "base-passwd",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3-stdlib",
    "libpython3.13-minimal",
    "libpython3.13-stdlib",
    "libsqlite3-0",
    "libssl3t64",
    "libstdc++6",
    "libuuid1",
    "libzstd1",
    "media-types",
    "netbase",
    "openssl-provider-legacy",
    "python3",
    "python3-minimal",
    "python3.13",
    "python3.13-minimal",
    "tzdata",
    "zlib1g",
)
UNWANTED = (
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/share/info",
    "/usr/share/lintian",
    "/usr/share/locale",
    "/usr/share/python3",
    "/usr/share/apport",
    "/usr/share/applications",
    "/usr/share/pixmaps",
    "/usr/share/icons",
    "/usr/share/binfmts",
    "/usr/share/debconf",
    "/var/lib/dpkg",
    "/usr/lib/python3.13/ensurepip",
    "/usr/lib/python3.13/idlelib",
    "/usr/lib/python3.13/lib2to3",
    "/usr/lib/python3.13/pydoc_data",
    "/usr/lib/python3.13/test",
    "/usr/lib/python3.13/tkinter",
    "/usr/lib/python3.13/turtle.py",
    "/usr/lib/python3.13/turtledemo",
    "/usr/lib/x86_64-linux-gnu/audit",
    # Character sets and vector mathematics of the C library: Python has its own, in `encodings`.
    "/usr/lib/x86_64-linux-gnu/gconv",
    "/usr/lib/x86_64-linux-gnu/libmvec.so.1",
)
# Not in any package's list: made by maintainer scripts, or this machine's own.
EXTRA = (
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/nsswitch.conf",
    "/etc/localtime",
)


def wanted(path: str) -> bool:
    """Whether a file of a package goes into the image."""
    return not any(path == u or path.startswith(u + "/") for u in UNWANTED)


def copy(path: Path, root: Path) -> None:
    """Copy one entry without following it; its folders keep their modes."""
    target = root / path.relative_to("/")
    if target.is_symlink() or (target.exists() and not path.is_dir()):
        return
    for parent in reversed(path.parents):
        # /lib and the like are links to /usr/lib: made as links before anything is put below them.
        here = root / parent.relative_to("/")
        if parent.is_symlink() and not here.is_symlink():
            here.symlink_to(parent.readlink())
        elif not parent.is_symlink() and not here.exists():
            here.mkdir()
            shutil.copystat(parent, here)
    if path.is_symlink():
        target.symlink_to(path.readlink())
    elif path.is_dir():
        target.mkdir(exist_ok=True)
        shutil.copystat(path, target)
    elif path.is_file():
        shutil.copy2(path, target)


def main(root: Path) -> None:
    root.mkdir()
    listed = subprocess.run(["dpkg", "-L", *PACKAGES], capture_output=True, text=True, check=True).stdout
    paths = {line for line in listed.splitlines() if line.startswith("/") and wanted(line)}
    for line in sorted(paths):
        path = Path(line)
        if path.is_symlink() or path.exists():
            copy(path, root)
    for line in EXTRA:
        path = Path(line)
        if path.is_symlink() or path.exists():
            copy(path, root)
    # Tools look for `python3` and scripts for `python`.
    for name in ("python", "python3"):
        link = root / "usr/bin" / name
        if not link.is_symlink():
            link.symlink_to("python3.13")
    # A read-only root file system cannot keep compiled modules, and each start would compile them again. The hashes
    # are never checked: nothing in an image changes.
    compile_all = [
        sys.executable,
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode=unchecked-hash",
        "-s",
        str(root),
    ]
    subprocess.run(
        [*compile_all, str(root / "usr/lib/python3.13"), str(root / "usr/lib/python3")], check=True
    )
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
