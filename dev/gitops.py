"""Argo CD's settings for a MaraudersMap, from the Lua files: `python -m dev.gitops` writes them.

Argo CD reads Lua from its ConfigMap; files of their own can be tested and read.
"""

from __future__ import annotations

from pathlib import Path

from dev.cluster.host.paths import CHECKOUT

FOLDER = CHECKOUT / "manifests" / "gitops" / "argocd"
SETTINGS = FOLDER / "argocd-cm.yaml"
ACTIONS = ("promote", "abort", "retry", "undo", "restart")
_HEAD = """\
# Made by `make gitops` from the Lua files beside it. Into Argo CD, beside what is there:
#   kubectl -n argocd patch configmap argocd-cm --patch-file manifests/gitops/argocd/argocd-cm.yaml
data:
"""


def settings() -> str:
    """The patch of `argocd-cm`: health and actions of `hogwarts.edu/MaraudersMap`."""
    health = _indented(FOLDER / "health.lua", 4)
    actions = [
        f"    discovery.lua: |\n{_indented(FOLDER / 'actions' / 'discovery.lua', 6)}    definitions:\n"
    ]
    for name in ACTIONS:
        code = _indented(FOLDER / "actions" / f"{name}.lua", 8)
        actions.append(f"    - name: {name}\n      action.lua: |\n{code}")
    key = "hogwarts.edu_MaraudersMap"
    return (
        f"{_HEAD}  resource.customizations.health.{key}: |\n{health}"
        f"  resource.customizations.actions.{key}: |\n{''.join(actions)}"
    )


def _indented(file: Path, blanks: int) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return "".join(f"{' ' * blanks}{line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    SETTINGS.write_text(settings(), encoding="utf-8")
