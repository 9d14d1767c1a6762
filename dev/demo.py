"""`make demo`: the operator, one MaraudersMap, and two bad revisions rolled back while a prober counts failed requests.

Needs a cluster and the images (`make demo` sees to both). Doing it again is quick: what is there already stays.
Exit codes: 0 shown, and no request failed; 1 something is missing or failed; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import CHECKOUT, write_whole
from dev.demo_view import Snapshot, short, watch
from dev.images_built import image_of
from dev.kube import Kubectl, KubectlFailed, connect, report_problem, state_folder
from dev.misbehaving_image import ensure_broken_image
from dev.operator_install import images_in_use, install
from dev.prober import Prober

NAMESPACE = "marauders-demo"
NAME = "marauders-map"
OVERLAY = CHECKOUT / "manifests" / "service" / "overlays" / "development"
READY_SECONDS = 300.0
ROLLBACK_SECONDS = 180.0
PROMOTION_SECONDS = 420.0
# Two full sets of three pods at the default request of half a CPU each do not fit beside everything else on a laptop.
DEMO_CPU_REQUEST = "100m"
INCIDENT = {
    "title": "Polyjuice Potion in the Slytherin common room",
    "description": "Two second-years who did not know the way to the dungeons",
    "location": "HOGWARTS",
    "severity": "MISCHIEF",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """How one bad revision ended."""

    what: str
    image: str
    reason: str
    detect_seconds: float
    restore_seconds: float


class Demo:
    def __init__(self, kubectl: Kubectl, image: str) -> None:
        self._kubectl = kubectl
        self._image = image
        self._prober = Prober(kubectl, NAMESPACE, NAME, image)

    def run(self, *, promote: bool) -> int:
        """Everything, in order; the exit code. Raises Problem or KubectlFailed."""
        install(self._kubectl, images_in_use())
        # Over what an earlier demo left, the prober sees the change to the newest image too.
        probing = self._serves()
        if probing:
            self._start_prober()
        self._apply_sample(probing=probing)
        if not probing:
            self._start_prober()
        self._use_the_api()
        rejections = [
            self._break_it(
                "a tag that does not exist", f"{self._repository()}:no-such-tag-{int(time.time())}"
            ),
            self._break_it("an image that crashes at start", ensure_broken_image()),
        ]
        if promote:
            self._promote()
        return self._sum_up(rejections)

    def _serves(self) -> bool:
        resource = self._kubectl.find("-n", NAMESPACE, "get", "mm", NAME)
        conditions = ((resource or {}).get("status") or {}).get("conditions") or ()
        return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)

    def _start_prober(self) -> None:
        with step("starting the prober: 10 requests a second through the Service"):
            self._prober.start()

    def _apply_sample(self, *, probing: bool) -> None:
        folder = state_folder("demo")
        write_whole(folder / "kustomization.yaml", json.dumps(self._overlay(str(folder)), indent=2) + "\n")
        print_line(
            f"applying the development overlay with {short(self._image)}, CPU request {DEMO_CPU_REQUEST} a pod"
        )
        self._kubectl("apply", "-k", str(folder))
        self._watch(_is_ready, "waiting for Ready", READY_SECONDS, probing=probing)

    def _use_the_api(self) -> None:
        with step("reporting an incident through the Service"):
            status, created = self._prober.call("POST", "/api/incidents", INCIDENT)
            _expect(status, 201, created)
            status, listed = self._prober.call("GET", "/api/incidents?search=Polyjuice&limit=5")
            _expect(status, 200, listed)
            if created["id"] not in {incident["id"] for incident in listed["data"]}:
                raise Problem(f"incident {created['id']} is not in the list: {listed}")
        print(
            f"  created {created['id']}: {created['title']!r}, {created['severity']} at {created['location']}"
        )
        print(f"  listed  {listed['total']} that match 'Polyjuice'")

    def _break_it(self, what: str, image: str) -> Rejection:
        print_line(f"now {what}: {short(image)}")
        patch: dict[str, Any] = {"spec": {"image": image}}
        if image in {r["image"] for r in self._status().get("rejected") or ()}:
            # It is in the ledger from an earlier demo: only a new value of this annotation gives it another try.
            patch["metadata"] = {"annotations": {"hogwarts.edu/retry": str(int(time.time()))}}
        self._patch(patch)
        snapshot = self._watch(_is_rolled_back(image), "until it is rolled back", ROLLBACK_SECONDS)
        entry = next(r for r in snapshot.status["rejected"] if r["image"] == image)
        print(f"  {entry['reason']}: {entry['message']}")
        rejection = Rejection(what, image, entry["reason"], entry["detectSeconds"], entry["restoreSeconds"])
        print_line("back to the good image: the stable revision is untouched, so nothing is rolled out")
        self._patch({"spec": {"image": self._image}})
        self._watch(_is_ready, "until Ready", READY_SECONDS)
        return rejection

    def _promote(self) -> None:
        level = "debug" if self._spec().get("config", {}).get("logLevel", "info") == "info" else "info"
        print_line(f"now a good revision: logLevel {level}, baked for 20 s")
        before = self._status()["stable"]["revision"]
        self._patch({"spec": {"config": {"logLevel": level}, "rollout": {"bakeSeconds": 20}}})

        def promoted(snapshot: Snapshot) -> bool:
            return _is_ready(snapshot) and snapshot.status["stable"]["revision"] != before

        self._watch(promoted, "until it is promoted", PROMOTION_SECONDS)

    def _sum_up(self, rejections: list[Rejection]) -> int:
        counts = self._prober.read()
        self._prober.stop()
        print()
        for r in rejections:
            print(
                f"{r.what}: {r.reason}, seen after {r.detect_seconds:.1f} s, "
                f"rolled back for certain after {r.restore_seconds:.1f} s"
            )
        print(f"prober: {counts}")
        for failure in counts.failures:
            print(f"  failed: {failure}")
        print(f"\n$ kubectl get mm -A\n{self._kubectl('get', 'mm', '-A')}")
        fields = f"involvedObject.kind=MaraudersMap,involvedObject.name={NAME}"
        columns = "LAST:.lastTimestamp,TYPE:.type,REASON:.reason,MESSAGE:.message"
        arguments = [
            "--field-selector",
            fields,
            "--sort-by=.lastTimestamp",
            "-o",
            f"custom-columns={columns}",
        ]
        events = self._kubectl("-n", NAMESPACE, "get", "events", *arguments)
        print("$ kubectl get events (the newest)")
        print("\n".join(line[:200] for line in [*events.splitlines()[:1], *events.splitlines()[1:][-8:]]))
        print(_how_to_go_on(self._kubectl, self._image))
        if counts.failed:
            print(f"error: {counts.failed} requests failed", file=sys.stderr)
            return 1
        return 0

    def _watch(self, until: Any, what: str, seconds: float, *, probing: bool = True) -> Snapshot:
        prober = self._prober if probing else None
        return watch(self._kubectl, NAMESPACE, NAME, until, what=what, seconds=seconds, prober=prober)

    def _patch(self, patch: dict[str, Any]) -> None:
        self._kubectl("-n", NAMESPACE, "patch", "mm", NAME, "--type=merge", "-p", json.dumps(patch))

    def _status(self) -> dict[str, Any]:
        return dict(self._kubectl.json("-n", NAMESPACE, "get", "mm", NAME).get("status") or {})

    def _spec(self) -> dict[str, Any]:
        return dict(self._kubectl.json("-n", NAMESPACE, "get", "mm", NAME)["spec"])

    def _repository(self) -> str:
        return self._image.rpartition(":")[0]

    def _overlay(self, folder: str) -> dict[str, Any]:
        patch = {
            "apiVersion": "hogwarts.edu/v1alpha1",
            "kind": "MaraudersMap",
            "metadata": {"name": NAME},
            "spec": {"image": self._image, "resources": {"requests": {"cpu": DEMO_CPU_REQUEST}}},
        }
        return {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(OVERLAY, folder)],
            "patches": [{"patch": json.dumps(patch)}],
        }


def _is_ready(snapshot: Snapshot) -> bool:
    return snapshot.phase == "Ready"


def _is_rolled_back(image: str) -> Any:
    def rolled_back(snapshot: Snapshot) -> bool:
        return snapshot.phase == "RolledBack" and image in {r["image"] for r in snapshot.status["rejected"]}

    return rolled_back


def _expect(status: int, wanted: int, body: Any) -> None:
    if status != wanted:
        raise Problem(f"the API answered {status} instead of {wanted}: {body}")


def _how_to_go_on(kubectl: Kubectl, image: str) -> str:
    programs = f"{CHECKOUT / '.venv' / 'bin'}:{Path(kubectl.program).parent}"
    return f"""
Go on by hand:
  export KUBECONFIG={kubectl.kubeconfig} PATH={programs}:$PATH   # kubectl, and its plugin kubectl-marauders
  kubectl -n {NAMESPACE} get mm,pods -w
  kubectl -n {NAMESPACE} describe mm {NAME}
  kubectl marauders explain {NAME} -n {NAMESPACE}   # why it is as it is, and what to do
  kubectl -n {NAMESPACE} patch mm {NAME} --type=merge -p '{{"spec":{{"config":{{"logLevel":"debug"}}}}}}'   # a good revision
  kubectl -n {NAMESPACE} patch mm {NAME} --type=merge -p '{{"spec":{{"image":"{image}-not"}}}}'   # a bad one
  kubectl -n {NAMESPACE} port-forward service/{NAME}-api 8080:80   # then http://127.0.0.1:8080/health/ready
  kubectl delete namespace {NAMESPACE};  make cluster-down;  make clean-all"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--promote", action="store_true", help="end with a good revision, until it is promoted"
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        code = Demo(connect(), image_of("api")).run(promote=arguments.promote)
    except (Problem, KubectlFailed) as problem:
        return report_problem(problem)
    except KeyboardInterrupt:
        print("\nstopped; everything stays as it is", file=sys.stderr)
        return 130
    print_line(f"the demo took {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
