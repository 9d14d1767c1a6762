"""The same app and the same failures under a plain Deployment, Argo Rollouts, Flagger and this project's operator.

Builds the other tools from their Go modules, runs them on the cluster (ours is installed only if there is none), measures,
and removes them and their CRDs. Prints as it goes; writes bench/rollback/results.json and the tables of
docs/rollback-benchmark.md. With --only, other results stay as they were.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
from collections.abc import Sequence
from typing import cast

from bench.rollback import peers, report
from bench.rollback.app import STARTUP_SECONDS, ensure_database
from bench.rollback.cases import CASES, QUICK, Case, Kind
from bench.rollback.contenders import CONTENDERS, Ours
from bench.rollback.machine import machine_in_words
from bench.rollback.measure import Bench, Result
from dev.cluster.host.console import Problem, print_line
from dev.images_built import image_of
from dev.kube import Kubectl, KubectlFailed, connect, report_problem
from dev.misbehaving_image import ensure_misbehaving_image
from dev.operator_install import DEPLOYMENT, images_in_use, install
from dev.operator_objects import NAMESPACE

CAP_SECONDS = 180.0
INNOCENT_CAP_SECONDS = 260.0
LANES = 4


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        names, cases = _chosen(arguments.only, quick=arguments.quick)
        kubectl = connect()
        if arguments.clean:
            peers.remove(kubectl)
            return 0
        failed = _run(kubectl, names, cases, lanes=arguments.lanes, cap=arguments.cap, keep=arguments.keep)
    except (Problem, KubectlFailed) as problem:
        return report_problem(problem)
    except KeyboardInterrupt:
        print("\nstopped; `make bench-rollback ARGS=--clean` removes what is there", file=sys.stderr)
        return 130
    for failure in failed:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench-rollback ARGS=...",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="TOOL,CASE,...",
        help=f"these tools ({', '.join(CONTENDERS)}) and cases ({', '.join(c.name for c in CASES)})",
    )
    parser.add_argument("--quick", action="store_true", help=f"only the cases {', '.join(QUICK)}")
    parser.add_argument("--cap", type=float, default=CAP_SECONDS, help="seconds after which a case ends")
    parser.add_argument("--lanes", type=int, default=LANES, help="how many tools are measured at once")
    parser.add_argument("--keep", action="store_true", help="leave the tools and namespaces for the next run")
    parser.add_argument("--clean", action="store_true", help="measure nothing, only remove what was left")
    return parser


def _chosen(only: str, *, quick: bool) -> tuple[list[str], list[Case]]:
    """Tools and cases in their order; what is not named of either means all of it."""
    words = {word for word in only.split(",") if word}
    if unknown := words - CONTENDERS.keys() - {c.name for c in CASES}:
        raise Problem(f"no such tool or case: {', '.join(sorted(unknown))}", "see --help")
    names = [n for n in CONTENDERS if n in words] or list(CONTENDERS)
    cases = [c for c in CASES if c.name in words] or [c for c in CASES if not quick or c.name in QUICK]
    return names, cases


def _run(
    kubectl: Kubectl, names: list[str], cases: list[Case], *, lanes: int, cap: float, keep: bool
) -> list[str]:
    """Measure, write, and clean up; what went wrong, in words."""
    _ensure_operator(kubectl)
    failed: list[str] = []
    try:
        usable = _install(kubectl, names, failed)
        image, prober_image = ensure_misbehaving_image(), image_of("api")
        print_line("the database of the app: a MaraudersMap with the evaluation database")
        database = ensure_database(kubectl, prober_image, peers.LABELS)
        benches = [
            Bench(kubectl, CONTENDERS[n], n, image, prober_image, database, peers.LABELS) for n in usable
        ]
        results = _measure(benches, cases, lanes, cap, failed)
        report.write_page(report.keep(results), machine_in_words(kubectl, lanes))
    finally:
        if not keep:
            print_line("removing the namespaces and the tools")
            peers.remove(kubectl)
    return failed


def _ensure_operator(kubectl: Kubectl) -> None:
    """One that is there stays as it is."""
    if kubectl.find("-n", NAMESPACE, "get", "deployment", DEPLOYMENT) is None:
        install(kubectl, images_in_use())


def _install(kubectl: Kubectl, names: list[str], failed: list[str]) -> list[str]:
    """Install what the tools need; those whose controller could not be had are left out, and the reason is printed."""
    missing = set()
    for needed in sorted({CONTENDERS[n].needs for n in names} - {""}):
        try:
            peers.install(kubectl, cast("peers.Name", needed))
        except (Problem, KubectlFailed) as problem:
            failed.append(f"{needed} cannot be measured: {problem}")
            print_line(failed[-1])
            missing.add(needed)
    return [n for n in names if CONTENDERS[n].needs not in missing]


def _measure(
    benches: list[Bench], cases: list[Case], lanes: int, cap: float, failed: list[str]
) -> list[Result]:
    """Each tool's cases one after the other, some tools at once. A case that cannot be set up spoils no other."""
    waiting: queue.SimpleQueue[Bench] = queue.SimpleQueue()
    for bench in benches:
        waiting.put(bench)
    results: list[Result] = []
    finished: list[None] = []

    def work() -> None:
        while True:
            try:
                bench = waiting.get_nowait()
            except queue.Empty:
                finished.append(None)
                return
            for case in cases:
                began = time.monotonic()
                try:
                    result = bench.measure(case, _cap(bench, case, cap))
                except (Problem, KubectlFailed) as problem:
                    failed.append(f"{bench.name} {case.name}: {problem}")
                    print_line(failed[-1])
                    continue
                results.append(result)
                # Kept at once: a run that is stopped keeps what was measured.
                report.keep([result])
                print_line(f"{_line(result)} (case took {time.monotonic() - began:.0f} s)")

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(lanes, len(benches)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(finished) < len(threads):
        failed.append("a lane ended early, by the traceback above: not everything was measured")
    return results


def _cap(bench: Bench, case: Case, cap: float) -> float:
    """Ours has to show that it keeps its deadline; an innocent one gets the time to prove itself."""
    if isinstance(bench.contender, Ours) and case.name == "never-ready":
        return max(cap, STARTUP_SECONDS + 25)
    return max(cap, INNOCENT_CAP_SECONDS) if case.kind is Kind.INNOCENT else cap


def _line(result: Result) -> str:
    moments = {
        "reported": result.reported,
        "restored": result.restored,
        "gone": result.gone,
        "switched": result.switched,
        "promoted": result.promoted,
    }
    seen = ", ".join(f"{name} {value:.1f} s" for name, value in moments.items() if value is not None)
    return (
        f"{result.contender} {result.case}: {seen or 'nothing'} within {result.watched:.0f} s; failed "
        f"{result.failed_new} new + {result.failed_kept} kept of {result.sent}; {result.reason}"
    )


if __name__ == "__main__":
    sys.exit(main())
