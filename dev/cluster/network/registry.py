"""The local image registry: pushed to from this machine, pulled from by the nodes, broken on purpose by tests."""

import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import DEV, STATE, write_whole
from dev.cluster.host.shell import run, succeeds, wait_until
from dev.cluster.images import base_images, debian
from dev.cluster.network import faulty_registry
from dev.cluster.network.kind_config import REGISTRY_HOST, REGISTRY_PORT

VOLUME = "marauders-registry"
"""Outlives clusters, like everything that takes time to make."""
_PORT_FILE = STATE / "registry-port"
_PORTS = range(35000, 36000)
_START_SECONDS = 20
_REQUEST_SECONDS = 5


def container(cluster: str) -> str:
    """The name of the registry's container."""
    return f"{cluster}-registry"


def _fault_container(cluster: str) -> str:
    return f"{cluster}-registry-fault"


def push_address() -> str:
    """Where this machine pushes to: Docker trusts loopback without TLS."""
    return f"127.0.0.1:{_PORT_FILE.read_text(encoding='ascii').strip()}"


def ensure(cluster: str, *, public: bool, address: str) -> None:
    """Leave with a registry that answers, on the cluster's network and on a loopback port of this machine.

    `address` is its own there: nodes that restart must not find theirs taken by it.
    """
    name = container(cluster)
    if _PORT_FILE.exists() and succeeds(["docker", "container", "inspect", name]):
        try:
            heal(cluster)
        except Problem as problem:
            print_line(f"making the image registry again: {problem}")
        else:
            return
    with step("starting the image registry"):
        image = _image(public)
        succeeds(["docker", "rm", "-f", "-v", name])
        port = free_port(_PORTS, start=int(cluster[-6:], 16))
        write_whole(_PORT_FILE, str(port))
        command = ["docker", "run", "-d", "--name", name, "--restart=unless-stopped", f"--network={cluster}"]
        command += [
            f"--ip={address}",
            f"--network-alias={REGISTRY_HOST}",
            f"--label=marauders.cluster={cluster}",
        ]
        # Contents are named by their hashes, so every clone's registry may share one volume: nothing is pushed twice.
        command += ["-v", f"{VOLUME}:/var/lib/registry"]
        run([*command, "-p", f"127.0.0.1:{port}:{REGISTRY_PORT}", image])
        _wait()


def remove(cluster: str) -> None:
    """Remove the registry; what was pushed to it stays for the next."""
    for name in (container(cluster), _fault_container(cluster)):
        succeeds(["docker", "rm", "-f", "-v", name])
    _PORT_FILE.unlink(missing_ok=True)


def push(cluster: str, image: str, repository: str, tag: str) -> str:
    """Push a local image unless the registry has that tag, and return the name that the nodes pull it by."""
    to = f"{push_address()}/{repository}:{tag}"
    run(["docker", "tag", image, to])
    run(["docker", "push", "-q", to], remedy=f"docker logs {container(cluster)}")
    run(["docker", "rmi", "--no-prune", to])
    return f"{REGISTRY_HOST}:{REGISTRY_PORT}/{repository}:{tag}"


def has(repository: str, tag: str) -> bool:
    """Whether the registry holds the tag."""
    accept = (
        "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    )
    return _status("HEAD", f"/v2/{repository}/manifests/{tag}", accept) == HTTPStatus.OK


def stop(cluster: str) -> None:
    """Fault: the registry is down, and its address refuses connections."""
    image = run(["docker", "container", "inspect", "-f", "{{.Config.Image}}", container(cluster)]).strip()
    # Something must hold the name: without it the nodes would see an unknown host instead.
    _replace(cluster, image, "sleep", "infinity")
    print_line("the registry is down; bring it back with registry-heal")


def fail_with(cluster: str, status: int, *, python_image: str) -> None:
    """Fault: every request is answered with `status`, such as 503 or 403."""
    source = Path(faulty_registry.__file__).read_text(encoding="utf-8")
    _replace(cluster, python_image, "python3", "-c", source, str(status), str(REGISTRY_PORT))
    print_line(f"the registry answers {status}; bring it back with registry-heal")


def _replace(cluster: str, image: str, program: str, *arguments: str) -> None:
    """Stop the registry and put something else in its place."""
    run(["docker", "stop", "-t", "2", container(cluster)])
    succeeds(["docker", "rm", "-f", _fault_container(cluster)])
    command = ["docker", "run", "-d", "--name", _fault_container(cluster), f"--network={cluster}"]
    command += [f"--network-alias={REGISTRY_HOST}", f"--label=marauders.cluster={cluster}"]
    run([*command, f"--entrypoint={program}", image, *arguments])


def heal(cluster: str) -> None:
    """End every fault."""
    succeeds(["docker", "rm", "-f", _fault_container(cluster)])
    run(["docker", "start", container(cluster)])
    _wait()


def free_port(candidates: range, start: int) -> int:
    """A port of loopback that nothing listens on, looking from `start` (any number) on."""
    for offset in range(len(candidates)):
        port = candidates[(start + offset) % len(candidates)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Problem("no free port for the image registry")


def _image(public: bool) -> str:
    if public:
        return "registry:2"
    arguments = {"DEBIAN": debian.ensure()}
    return base_images.build_local("registry", DEV / "images" / "registry", "Dockerfile", arguments)


def _status(method: str, path: str, accept: str = "*/*") -> int:
    """The status of one request to the registry's loopback port. Raises OSError when nothing listens."""
    connection = HTTPConnection(push_address(), timeout=_REQUEST_SECONDS)
    try:
        connection.request(method, path, headers={"Accept": accept})
        return connection.getresponse().status
    finally:
        connection.close()


def _answers() -> bool:
    try:
        return _status("GET", "/v2/") == HTTPStatus.OK
    except (OSError, HTTPException):
        return False


def _wait() -> None:
    wait_until(_answers, "the image registry answering", seconds=_START_SECONDS)
