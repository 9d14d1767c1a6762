"""Programs built from Go modules: those of a Kubernetes node, kind, Helm, actionlint, operator-verify, the judges of
dev/judges, and the collector of dev/collector.

Each is built once per machine, into a folder named by the hash of its inputs.
"""

import json
import os
import re
import shutil
from pathlib import Path

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.packages import need
from dev.cluster.host.paths import DEV, MACHINE, MACHINE_BIN, digest, files_under, program
from dev.cluster.host.shell import run

KUBERNETES_VERSION = "v1.34.4"
_MODULE = DEV / "go"
_MINIMUM_GO = (1, 26)
_TOOLCHAIN = "go1.26.0"
# Tools that are whole programs of their own module: built as they are published, checked by Go's checksum database.
_PUBLISHED = {
    "kind": "sigs.k8s.io/kind@v0.33.0",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
    "helm": "helm.sh/helm/v4/cmd/helm@v4.3.1",
    "operator-verify": "github.com/operator-framework/api/cmd/operator-verify@v0.31.0",
    "krew": "sigs.k8s.io/krew/cmd/krew@v0.4.3",
    "validate-krew-manifest": "sigs.k8s.io/krew/cmd/validate-krew-manifest@v0.4.3",
}
_LOGS = MACHINE / "logs"


def published(name: str) -> Path:
    """The full path of one of `_PUBLISHED`, built when it is not there yet."""
    module = _PUBLISHED[name]
    path = MACHINE_BIN / digest(module, *_go_inputs()) / name
    if not path.exists():
        with step(f"building {module} (minutes when nothing is cached)"):
            partial = path.with_name("partial")
            shutil.rmtree(partial, ignore_errors=True)
            install = [go(), "install", "-trimpath", "-ldflags", "-s -w", module]
            run(install, env={**go_environment(), "GOBIN": str(partial)}, log=_LOGS / f"{name}.log")
            (partial / name).replace(path)
            shutil.rmtree(partial)
    return path


def own(name: str) -> Path:
    """The full path of a program of dev/go, all of which are built at once when their sources changed."""
    folder = MACHINE_BIN / digest(KUBERNETES_VERSION, *_go_inputs(), files=files_under(_MODULE))
    if not folder.exists():
        with step("building dev/go, the programs of a Kubernetes node (5 minutes when nothing is cached)"):
            major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
            package = "k8s.io/component-base/version"
            values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
            flags = " ".join(["-s -w", *(f"-X {package}.{k}={v}" for k, v in values.items())])
            partial = folder.with_suffix(".tmp")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            build = [go(), "build", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o", f"{partial}/"]
            run([*build, "./..."], cwd=_MODULE, env=go_environment(), log=_LOGS / "nodebin.log")
            partial.replace(folder)
    return folder / name


def judge(name: str) -> Path:
    """The full path of `argo` or `flux`, which judge as Argo CD and Flux do; built when dev/judges/go changed."""
    return _of_module(DEV / "judges" / "go", name, f"./{name}")


def collector() -> Path:
    """The full path of an OpenTelemetry Collector, which tries our example; built when dev/collector/go changed."""
    return _of_module(DEV / "collector" / "go", "collector", ".")


def _of_module(module: Path, name: str, package: str) -> Path:
    path = MACHINE_BIN / digest(*_go_inputs(), files=files_under(module)) / name
    if not path.exists():
        with step(f"building {module.relative_to(DEV.parent)}, {name} (some minutes when nothing is cached)"):
            partial = path.with_suffix(".tmp")
            partial.parent.mkdir(parents=True, exist_ok=True)
            build = [go(), "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", str(partial)]
            # They may want a newer Go than the cluster's programs: their go.mod names it, and Go gets it as a module.
            run([*build, package], cwd=module, env=go_environment(), log=_LOGS / f"{name}.log")
            partial.replace(path)
    return path


def module_folder(name: str) -> Path:
    """Where Go keeps the sources of a published tool's module."""
    return sources(_PUBLISHED[name])


def sources(module: str) -> Path:
    """The folder with the files of `module@version`, downloaded when it is not there yet."""
    shown = run([go(), "mod", "download", "-json", module], env=go_environment(), cwd=MACHINE)
    return Path(json.loads(shown)["Dir"])


def _go_inputs() -> tuple[str, ...]:
    return (os.uname().machine,)


def go_environment() -> dict[str, str]:
    # The machine's niceness keeps the machine usable; caches stay with the other costly things.
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "",
        "GOPATH": str(MACHINE / "go"),
        "GOCACHE": str(MACHINE / "go" / "build"),
        "GOTOOLCHAIN": "auto",
    }


def version_of(text: str) -> tuple[int, int]:
    """(1, 26) of `go version go1.26.8 linux/amd64`; (0, 0) when there is none in it."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def go() -> str:
    """A Go that is new enough: the machine's, or one that the machine's older Go can download as a module."""
    MACHINE.mkdir(parents=True, exist_ok=True)
    fetched = MACHINE / "go-toolchain" / "bin" / "go"
    if fetched.exists():
        return str(fetched)
    need(["go"], "Kubernetes programs are compiled here")
    machine_go = program("go") or "go"
    if version_of(run([machine_go, "version"], cwd=MACHINE)) >= _MINIMUM_GO:
        return machine_go
    return _fetch_toolchain(machine_go, fetched)


def _fetch_toolchain(machine_go: str, at: Path) -> str:
    """Go publishes its toolchains as modules, so where modules can be had, one can be had."""
    system, machine = os.uname().sysname.lower(), os.uname().machine
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    module = f"golang.org/toolchain@v0.0.1-{_TOOLCHAIN}.{system}-{architecture}"
    print_line(f"the machine's Go is older than {'.'.join(map(str, _MINIMUM_GO))}: getting {module}")
    environment = {"GOPATH": str(MACHINE / "go"), "GOFLAGS": "-modcacherw", "GO111MODULE": "on"}
    shown = run([machine_go, "mod", "download", "-json", module], env=environment, cwd=MACHINE)
    folder = Path(json.loads(shown)["Dir"])
    if not folder.is_dir():
        raise Problem(f"{module} was not downloaded", "install Go 1.26 or newer by hand")
    partial = at.parents[1].with_suffix(".tmp")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial)
    # Module archives carry no executable bits.
    for executable in [*(partial / "bin").iterdir(), *(partial / "pkg" / "tool").rglob("*")]:
        executable.chmod(0o755)
    partial.replace(at.parents[1])
    return str(at)
