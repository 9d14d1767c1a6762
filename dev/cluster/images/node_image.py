"""The node image for kind, built here where the public one cannot be pulled.

kind needs a container that boots systemd, containerd and the kubelet, with the images of the control plane inside.
All Kubernetes programs are one binary (dev/go/nodebin), so one layer serves every image of kube-system.
"""

import shutil
import tempfile
from pathlib import Path

from dev.cluster.host import go_tools
from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import DEV, MACHINE, digest, files_under
from dev.cluster.host.shell import run, succeeds
from dev.cluster.images import debian, inventory

_SOURCES = DEV / "images" / "node"
_MANIFESTS = (DEV / "manifests" / "default-cni.yaml", DEV / "manifests" / "default-storage.yaml")
PROGRAMS_IMAGE = "marauders.local/programs:built"
METRICS_SERVER_IMAGE = "marauders.local/metrics-server:built"
_PROGRAMS = ("nodebin", "pause", "coredns", "metrics-server")
_LEGACY_CGROUPS = "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
"""systemd reads it from its arguments in a container; without it a newer one refuses cgroup v1."""


def ensure() -> str:
    """Build the node image unless Docker has it, and return its name."""
    rootfs = ensure_rootfs()
    binaries = {name: go_tools.own(name) for name in _PROGRAMS}
    # The binaries' folder is named by the hash of what they were built from.
    built_from = binaries["nodebin"].parent.name
    key = digest(rootfs, built_from, files=[*files_under(_SOURCES), *_MANIFESTS, Path(__file__)])
    name = f"marauders-node:{go_tools.KUBERNETES_VERSION}-{key}"
    if inventory.exists(name):
        return name
    with step(f"building {name}"), tempfile.TemporaryDirectory(dir=MACHINE) as work:
        _assemble(name, rootfs, binaries, Path(work))
        inventory.prune(name)
        inventory.prune(rootfs)
    return name


def ensure_rootfs() -> str:
    """The image of a node without Kubernetes: built unless Docker has it."""
    base = debian.ensure()
    rootfs = f"marauders-node-rootfs:{digest(base, files=[_SOURCES / 'Dockerfile.rootfs'])}"
    if not inventory.exists(rootfs):
        with step("building the node's root file system"), tempfile.TemporaryDirectory() as context:
            shutil.copy(_SOURCES / "Dockerfile.rootfs", context)
            _build(rootfs, Path(context), "Dockerfile.rootfs", f"DEBIAN={base}", "--network=host")
    return rootfs


def _build(name: str, context: Path, dockerfile: str, *options: str) -> None:
    arguments = [o if o.startswith("--") else f"--build-arg={o}" for o in options]
    command = ["docker", "build", "-q", "-t", name, "-f", str(context / dockerfile), *arguments, str(context)]
    run(command, env={"DOCKER_BUILDKIT": "0"})


def _assemble(name: str, rootfs: str, binaries: dict[str, Path], work: Path) -> None:
    names = _system_images(binaries["nodebin"], rootfs)
    pause = next(n for n in names if "/pause:" in n)
    coredns = next(n for n in names if "/coredns" in n)
    # One layer for the programs; pause apart, because every pod waits for it.
    context = work / "programs"
    context.mkdir()
    for file in ("Dockerfile.programs", "collect-tools.sh"):
        shutil.copy(_SOURCES / file, context)
    shutil.copy(binaries["nodebin"], context / "nodebin")
    _build(PROGRAMS_IMAGE, context, "Dockerfile.programs", f"ROOTFS={rootfs}")
    singles = {pause: "pause", coredns: "coredns", METRICS_SERVER_IMAGE: "metrics-server"}
    for image, program in singles.items():
        context = work / program
        context.mkdir()
        shutil.copy(_SOURCES / "Dockerfile.single", context)
        shutil.copy(binaries[program], context / "program")
        _build(image, context, "Dockerfile.single")
    for image in names:
        if image not in singles:
            run(["docker", "tag", PROGRAMS_IMAGE, image])
    every = sorted({*names, *singles, PROGRAMS_IMAGE})
    run(["docker", "save", "-o", str(work / "images.tar"), *every])
    _into_node(name, rootfs, binaries["nodebin"], pause, work)
    run(["docker", "rmi", "--no-prune", *every])


def _system_images(nodebin: Path, rootfs: str) -> list[str]:
    """The names that kubeadm of this version gives to the images of the control plane."""
    version = f"--kubernetes-version={go_tools.KUBERNETES_VERSION}"
    listed = run([str(nodebin), "kubeadm", "config", "images", "list", version])
    names = listed.split()
    if not any("/pause:" in n for n in names):
        raise Problem(f"kubeadm in {rootfs} lists no pause image: {names}")
    return names


def _into_node(name: str, rootfs: str, nodebin: Path, pause: str, work: Path) -> None:
    incoming = work / "in"
    incoming.mkdir()
    base_files = go_tools.module_folder("kind") / "images" / "base" / "files"
    shutil.copytree(base_files, incoming / "kind", copy_function=shutil.copy)
    (incoming / "manifests").mkdir()
    for manifest in _MANIFESTS:
        shutil.copy(manifest, incoming / "manifests")
    shutil.copy(nodebin, incoming / "nodebin")
    (work / "images.tar").replace(incoming / "images.tar")
    (incoming / "version").write_text(go_tools.KUBERNETES_VERSION, encoding="ascii")
    (incoming / "pause-image").write_text(pause, encoding="ascii")
    shutil.copy(_SOURCES / "prepare-node.sh", incoming)
    container = f"marauders-node-build-{digest(name)}"
    succeeds(["docker", "rm", "-f", "-v", container])  # of a build that was killed
    command = ["docker", "run", "--name", container, "--network=none", "--security-opt=seccomp=unconfined"]
    command += ["-v", f"{incoming}:/in:ro", "--entrypoint=/bin/bash", rootfs, "/in/prepare-node.sh"]
    run(command, log=MACHINE / "logs" / "node-image.log")
    changes = [
        "CMD []",
        f'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init", "{_LEGACY_CGROUPS}"]',
    ]
    run(["docker", "commit", *(f"--change={c}" for c in changes), container, name])
    run(["docker", "rm", "-f", "-v", container])
    print_line(f"{name}: {int(run(['docker', 'image', 'inspect', '-f', '{{.Size}}', name])) // 10**6} MB")
