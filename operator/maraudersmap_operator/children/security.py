"""What the `restricted` Pod Security Standard asks of every pod here, and a little more."""

from maraudersmap_operator.children.owner import Manifest


def pod_security(uid: int) -> Manifest:
    """Pod security context: a fixed non-root user, volumes of its group, the runtime's system call filter."""
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "fsGroup": uid,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """Container security context: no privileges, no capabilities, nothing to write to but volumes."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
