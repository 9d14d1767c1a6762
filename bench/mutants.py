"""Do the tests of the invariants catch a broken engine, and a broken loop around it? `make mutants`

For each invariant of docs/invariants.md the product is broken on purpose, each time in a copy of its own, by the patches
below. The engine's property test, or the loop's story that is named, must fail on every one, and pass on the unbroken
product. Prints a table of invariants and mutants; exit 1 names the survivors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "operator" / "maraudersmap_operator"
ENGINE = "tests/unit/operator/rollout/test_invariants.py"
LOOP = "tests/unit/operator/reconcile/test_loop_stories.py"
SECRETS = "tests/unit/operator/reconcile/test_bad_secret.py"
FALLS = "tests/unit/operator/rollout/verdict/test_one_by_one.py"
# Most mutants are noticed by the first few stories of the property test; the others are looked for in many more.
FEW = 20


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` must stand exactly once in `file`. `test`: what must fail; `story`: the one in it, by its words; empty: any."""

    invariant: int
    what: str
    file: str
    old: str
    new: str
    test: str = ENGINE
    story: str = ""


MUTANTS = (
    Mutant(
        1,
        "traffic moves to the candidate without waiting for its pods",
        "rollout/verdict/classify.py",
        "    return 0 < case.wanted <= len(moments) and moments[case.wanted - 1] <= case.now",
        "    return case.wanted > 0 or not moments",
    ),
    Mutant(
        1,
        "a revision that has just been replaced is sent away while it is asked for again",
        "rollout/decide.py",
        "    keep_stable(context, target.revision)",
        "    keep_stable(context)",
    ),
    Mutant(
        1,
        "traffic is shared while a third revision still has pods",
        "rollout/stages/shared_traffic.py",
        "        if strays or facts.ready",
        "        if facts.ready",
        story="leftover",
    ),
    Mutant(
        2,
        "an exchange takes old pods away for new ones that are not ready",
        "rollout/stages/candidate_pods.py",
        "    left = max(full - new.ready, 0)",
        "    left = max(full - new.size, 0)",
        story="exchange_keeps",
    ),
    Mutant(
        2,
        "a moved selector is put back on stable even while only others are ready",
        "rollout/stable.py",
        "    return context.facts(revision).ready > 0 or not answering",
        "    return others is not None",
    ),
    Mutant(
        3,
        "the ledger is forgotten",
        "rollout/decide.py",
        "        or status.rejection(target.revision)\n",
        "",
    ),
    Mutant(
        4,
        "pods go while the endpoints still name them",
        "rollout/context.py",
        " if pods & self.observed.ready_endpoints else",
        " if pods is None else",
    ),
    Mutant(
        4,
        "pods go while a Gateway has yet to follow",
        "rollout/context.py",
        "        if self.observed.previewed == revision and not self.route_left():\n"
        '            return "the Gateway has yet to take up the newest version of the route"\n',
        "",
    ),
    Mutant(
        1,
        "a Gateway sends requests to a preview Service that leads nowhere yet",
        "rollout/stages/weighted_traffic.py",
        " and led >= wanted and (context.weight or _is_known(context)):",
        ":",
        story="leads_nowhere",
    ),
    Mutant(
        5,
        "a spec that goes back leaves the candidate's traffic where it is",
        "rollout/rollback.py",
        "    if stable is not None and not _return_traffic(context, stable):\n        return\n"
        "    context.close(outcome)",
        "    context.close(outcome)",
    ),
    Mutant(
        6,
        "leftovers of other revisions are never cleared away",
        "rollout/stable.py",
        "        else:\n            context.retire(name)",
        "",
    ),
    Mutant(
        6,
        "every pass scales the serving revision again",
        "rollout/stable.py",
        "    if size != wanted:\n        context.scale(revision, wanted)",
        "    context.scale(revision, wanted)",
    ),
    Mutant(
        7,
        "the operator writes replicas that the autoscaler owns",
        "rollout/stable.py",
        "    if context.spec.autoscaling.enabled and size >= max(least, 1) and not context.spec.suspend:\n        return\n",
        "",
    ),
    Mutant(
        7,
        "the autoscaler goes on while pods are exchanged",
        "rollout/decide.py",
        "        held=candidate is not None and candidate.strategy is Strategy.ROLLING,",
        "        held=False,",
    ),
    Mutant(
        9,
        "a candidate goes on although it is not known what is asked for",
        "rollout/context.py",
        "        return self.observed.target is None or bool(self.observed.unremembered)",
        "        return bool(self.observed.unremembered)",
    ),
    Mutant(
        9,
        "a pin is dropped while it is not known what is asked for",
        "rollout/decide.py",
        '        context.block_still("")\n    elif hold and',
        "        context.update(pin=None)\n    elif hold and",
    ),
    Mutant(
        9,
        "a verdict is forgotten when traffic cannot be moved",
        "rollout/rollback.py",
        "    context.learn_candidate(verdict=stored)",
        "    context.update_candidate(verdict=stored)",
    ),
    Mutant(
        10,
        "the status moves although traffic could not be moved",
        "rollout/context.py",
        "    return replace(self, status=self.learned,",
        "    return replace(self, status=self.status,",
    ),
    Mutant(
        13,
        "unwatched time counts",
        "rollout/decide.py",
        " if observed.unwatched else candidate",
        " if not observed.unwatched else candidate",
    ),
    Mutant(
        13,
        "what never ran is rejected by a deadline",
        "rollout/verdict/deadline.py",
        "    running = [p for p in starting if p.ran_since and not",
        "    running = [p for p in starting if not",
        story="never_ran",
    ),
    Mutant(
        13,
        "a policy that refuses every revision is not taken for one",
        "rollout/verdict/classify.py",
        "    if not asked.stable_accepted:",
        "    if asked is None:",
        story="admits_no_pod",
    ),
    Mutant(
        8,
        "the history grows without bound",
        "rollout/context.py",
        "history=(entry, *self.status.history)[:MAX_HISTORY]",
        "history=(entry, *self.status.history) * 9",
    ),
    Mutant(
        1,
        "the loop: traffic moves without waiting for pods",
        "rollout/verdict/classify.py",
        "    return 0 < case.wanted <= len(moments) and moments[case.wanted - 1] <= case.now",
        "    return case.wanted > 0 or not moments",
        test=LOOP,
        story="good_revision and BlueGreen",
    ),
    Mutant(
        3,
        "the loop: the ledger is not asked",
        "rollout/decide.py",
        "        or status.rejection(target.revision)\n",
        "",
        test=LOOP,
        story="good_revision and BlueGreen",
    ),
    Mutant(
        9,
        "the loop: a ledger entry takes the place of the one before",
        "rollout/rollback.py",
        "    context.update(rejected=(entry, *others)[:MAX_REJECTED], hold=None)",
        "    context.update(rejected=(entry, *others)[:1], hold=None)",
        test=LOOP,
        story="refused_ingress",
    ),
    Mutant(
        10,
        "the loop: the status claims what the Service refused",
        "reconcile/one_pass.py",
        "            decision.withheld if executor.traffic_failed else decision.status,",
        "            decision.status,",
        test=LOOP,
        story="cannot_be_moved",
    ),
    Mutant(
        11,
        "the loop: traffic waits for unrelated children",
        "reconcile/actions/executor.py",
        "            case RouteTo(revision=revision):\n                await route_to(",
        "            case RouteTo(revision=revision):\n                if self._fates.failed():\n"
        "                    raise NotYet('a child is refused')\n                await route_to(",
        test=LOOP,
        story="users_come_first",
    ),
    Mutant(
        12,
        "the loop: two sizes are wanted in turn",
        "rollout/stable.py",
        "    if size != wanted:\n        context.scale(revision, wanted)",
        "    wanted += size == wanted\n    if size != wanted:\n        context.scale(revision, wanted)",
        test=LOOP,
        story="good_revision and BlueGreen",
    ),
    Mutant(
        13,
        "the loop: a gap without an operator is not credited",
        "reconcile/reading/unwatched_time.py",
        "    return gap if gap >= LEAST else timedelta(0)",
        "    return timedelta(0)",
        test=LOOP,
        story="nobody_watched",
    ),
    Mutant(
        13,
        "pods that were killed from outside count as ended by themselves",
        "rollout/verdict/pod_history.py",
        "    return bool(worked) and end.exit_code not in (0, *KILLED)",
        "    return bool(worked)",
        test=FALLS,
        story="no_evidence",
    ),
    Mutant(
        13,
        "one short outage that ends two pods counts as two causes",
        "rollout/verdict/pod_history.py",
        "late - early >= FRESH_ATTEMPT",
        "late > early",
        test=FALLS,
        story="two_moments",
    ),
    Mutant(
        13,
        "the loop: who fails with a Secret that has changed is blamed before stable has begun with it",
        "rollout/secret_rotation.py",
        "    if not context.observed.secrets:\n",
        "    if context.observed:\n",
        test=SECRETS,
        story="good_one",
    ),
    Mutant(
        14,
        "the loop: Available counts pods",
        "rollout/serving.py",
        "    if endpoints:\n",
        "    if endpoints or serving.ready:\n",
        test=LOOP,
        story="available_answers",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=300, help="stories per mutant (default 300)")
    parser.add_argument("--only", default="", help="only mutants whose description contains this")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: CPUs)"
    )
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if arguments.only in m.what]
    if stale := [m for m in chosen if (PACKAGE / m.file).read_text().count(m.old) != 1]:
        for mutant in stale:
            print(
                f"patch does not apply: {mutant.what} ({mutant.file}): the product has changed, renew the patch"
            )
        return 1
    with ThreadPoolExecutor(arguments.jobs) as pool:
        tests = list(dict.fromkeys(m.test for m in chosen))
        whole = pool.map(lambda test: _unbroken_passes(test, chosen), tests)
        if failing := [test for test, passed in zip(tests, whole, strict=True) if not passed]:
            print(f"the unbroken product fails {', '.join(failing)}: mend that first")
            return 1
        found = pool.map(lambda mutant: _is_caught(mutant, arguments.examples), chosen)
        caught = dict(zip(chosen, found, strict=True))
    print(_table(caught))
    return 0 if all(caught.values()) else 1


def _unbroken_passes(test: str, chosen: Iterable[Mutant]) -> bool:
    stories = {m.story for m in chosen if m.test == test}
    only = "" if "" in stories else " or ".join(f"({story})" for story in sorted(stories))
    return _passes(str(PACKAGE.parent), test, only, FEW)


def _is_caught(mutant: Mutant, examples: int) -> bool:
    """Breaks a copy, and says how that went."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / mutant.file
        path.write_text(path.read_text().replace(mutant.old, mutant.new))
        turns = (min(FEW, examples), examples) if mutant.test == ENGINE and not mutant.story else (examples,)
        caught = any(not _passes(folder, mutant.test, mutant.story, turn) for turn in dict.fromkeys(turns))
    seconds = time.monotonic() - began
    print(f"{_verdict(caught):9} invariant {mutant.invariant}: {mutant.what} ({seconds:.0f} s)", flush=True)
    return caught


def _verdict(caught: bool) -> str:
    return "caught" if caught else "SURVIVED"


def _table(caught: dict[Mutant, bool]) -> str:
    """For docs/invariants.md."""
    rows = [
        f"| {m.invariant} | {m.what} | {'story: ' + m.story if m.story else 'property test'} | {_verdict(found)} |"
        for m, found in sorted(caught.items(), key=lambda item: item[0].invariant)
    ]
    return "\n".join(["| invariant | mutant | test | |", "| --- | --- | --- | --- |", *rows])


def _passes(package_root: str, test: str, story: str, examples: int) -> bool:
    environment = {**os.environ, "PYTHONPATH": package_root, "INVARIANT_EXAMPLES": str(examples)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    command += ["-k", story] if story else []
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"pytest could not run:\n{run.stdout}{run.stderr}")
    return run.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
