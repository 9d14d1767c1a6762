"""What we ask Docker about images, and throwing away those that newer ones replaced."""

from dev.cluster.host.shell import run, succeeds

_KEEP = 2
"""The newest, and the one before: another clone may be a commit behind."""


def exists(reference: str) -> bool:
    """Whether Docker has the image, by name or id."""
    return succeeds(["docker", "image", "inspect", reference])


def replaced(listed: list[str], built: str, keep: int = _KEEP) -> list[str]:
    """Of the references of one repository, newest first, those to throw away; `:local` is only another name.

    Never what has just been `built`: from layers that Docker still had it is as old as they are.
    """
    others = [r for r in listed if not r.endswith((":local", ":<none>")) and r != built]
    return others[keep - 1 :]


def prune(built: str) -> None:
    """Throw away older images of the repository of what was built. Docker refuses while a container uses one, which is
    right."""
    repository = built.rpartition(":")[0] or built
    listed = run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", repository]).split()
    for reference in replaced(listed, built):
        succeeds(["docker", "rmi", reference])
