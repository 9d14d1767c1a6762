"""What runs each command that a document has in a block: a test, or nothing, with the reason.

A pattern is matched from the command's beginning; the first that fits counts.
"""

from __future__ import annotations

DEPLOYED = ("tests/cluster/test_deploy.py", "from dev.deploy import main")
READY = ("tests/cluster/test_topology.py", '"--for=condition=Ready"')
RESTORED = ("tests/cluster/test_restore.py", "for command in commands():")

# What a command looks like -> the test that runs it, and what shows there that it does.
RUN_BY = {
    # kubectl and its plugin
    r"kubectl (-n \S+ )?get mm$": ("tests/cluster/test_topology.py", '"get", "mm", NAME'),
    r"kubectl explain mm\.spec\.rollout": (
        "tests/cluster/test_refusals.py",
        'kubectl("explain", "mm.spec.rollout")',
    ),
    r"kubectl annotate mm .* hogwarts\.edu/retry=": (
        "tests/cluster/test_rollback.py",
        'annotate("hogwarts.edu/retry"',
    ),
    r"kubectl .*wait --for=condition=Ready mm/": READY,
    r"kubectl -n \$NS wait --for=delete pod": RESTORED,
    r"kubectl -n \$NS create secret generic marauders-map-database": RESTORED,
    r".* patch mm marauders-map --type=merge -p '\{\"spec\":\{\"suspend\":true\}\}'": (
        "tests/cluster/test_suspend.py",
        "small.edit(suspend=True)",
    ),
    r".* patch mm marauders-map --type=merge -p '\{\"spec\":\{\"suspend\":false\}\}'": (
        "tests/cluster/test_suspend.py",
        "small.edit(suspend=False)",
    ),
    r".* patch mm marauders-map --type=merge -p '\{\"spec\":\{\"image\":": (
        "tests/cluster/test_cli.py",
        "small.edit(image=",
    ),
    r"kubectl apply -k manifests/service/overlays/": (
        "tests/cluster/test_manifests.py",
        'kubectl("kustomize", str(overlay))',
    ),
    r"kubectl apply --server-side -k manifests/operator/base": (
        "tests/cluster/test_install.py",
        'main(["install", "--image", IMAGE',
    ),
    r"kubectl marauders (-n \S+ )?explain ": ("tests/cluster/test_cli.py", 'editor("explain", NAME)'),
    r"kubectl marauders status .* --watch": ("tests/unit/operator/cli/test_watch.py", '"--watch"'),
    r"kubectl marauders (-n \S+ )?status ": ("tests/cluster/test_cli.py", 'editor("status", NAME, "--for='),
    r"kubectl marauders abort ": ("tests/cluster/test_cli.py", 'editor.json("abort", NAME)'),
    r"kubectl marauders undo ": ("tests/cluster/test_cli.py", 'editor("undo", NAME)'),
    r"kubectl marauders history ": ("tests/cluster/test_cli.py", 'editor.json("history", NAME)'),
    r"kubectl marauders retry ": ("tests/cluster/test_cli.py", '"retry", NAME'),
    r"kubectl marauders support-bundle ": ("tests/unit/operator/cli/test_bundle.py", "support-bundle"),
    r"kubectl marauders --help": ("tests/unit/operator/cli/test_command_line.py", "--help"),
    r"kubectl krew install --manifest=": ("tests/cluster/test_krew.py", '"krew", "install", f"--manifest='),
    r"helm upgrade --install --wait=watcher ": ("tests/cluster/test_gitops.py", '"--wait=watcher"'),
    # targets of make: the program behind them
    r"make deploy OVERLAY=": DEPLOYED,
    r"make install .*DRY_RUN=yes": ("tests/cluster/test_install.py", '"--dry-run"'),
    r"make install ": ("tests/cluster/test_install.py", 'main(["install", "--image", IMAGE'),
    r"make run-api": ("tests/component/api/test_run_api.py", '"dev.run_api"'),
    r"make doctor": ("tests/unit/dev/test_doctor.py", "doctor"),
    r"make release VERSION=": ("tests/unit/dev/test_release.py", "from dev.release"),
    # PostgreSQL's own programs
    r"pg_dump |pg_restore |createdb |psql ": (
        "tests/component/api/test_runbook.py",
        "BACKUP, CHECK, RESTORE = blocks()",
    ),
}

NOT_RUN = {
    r"make (venv|lint|test-unit|test-component|test|cluster-down)\b": "is what runs the tests, and removes their cluster",
    r"make demo|KUBECONFIG=\S+ MARAUDERS_REGISTRY=\S+ make demo": "needs a cluster; tests/cluster has each of its steps",
    r"make compose-(up|smoke|down)": "`make test-extended` runs compose-smoke: it needs Docker",
    r"make bench-(fleet|rollback)": "measurements of minutes to an hour, not tests",
    r"make cluster$|python3 -m dev\.cluster build api operator --tag": "brings up, and fills, what tests/cluster runs on",
    r"docker (build|push) ": "needs Docker and a registry; `make images` builds the same Dockerfiles",
    r"pip install 'maraudersmap\[cli\]'": "installs into this very environment; its dependencies are those of pyproject.toml",
    r"export KUBECONFIG=": "sets variables of one's own shell",
    r"kubectl -n argocd patch configmap argocd-cm ": "needs Argo CD; tests/unit/gitops runs the Lua that the file is made of",
    r"kubectl apply -f manifests/gitops/": "needs Argo CD or Flux; tests/unit/gitops judges the files",
    r"kubectl annotate (secret|pvc) ": "for Argo CD, which no test has; tests/unit/gitops judges what it reads",
    r"kubectl -n marauders-demo (get mm,pods -w|describe mm)": "shows what there is, for as long as a person looks",
}
