"""How long does a decision take? `make bench-decide`

100 pods of a stable revision and 100 of a candidate, at every step of every strategy; the aim is 1 ms. Beside it, in the
same run, what surrounds a decision in a pass: parsing the resource and serialising the status.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "unit" / "operator"))

from rollout.world import World  # noqa: E402

from maraudersmap_operator.rollout import decide  # noqa: E402

PODS = 100
ROUNDS = 300


def median_ms(action: Callable[[], object]) -> float:
    """Median of ROUNDS calls, in milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def main() -> int:
    slowest = 0.0
    print(f"{'strategy':10} {'step':10} {'pods':>5} {'decide ms':>10} {'parse+dump ms':>14}")
    for strategy in ("BlueGreen", "Canary", "Rolling"):
        rollout = {"strategy": strategy, "minReadySeconds": 3, "bakeSeconds": 30}
        world = World(replicas=PODS, rollout=rollout).run(15).edit(image="good:2")
        steps = set()
        for _ in range(400):
            world.run(0.5)
            candidate = world.status.candidate
            if candidate is None:
                break
            if candidate.step in steps:
                continue
            steps.add(candidate.step)
            resource, seen, now = world.resource, world.observed(), world.now + timedelta(seconds=0.1)
            taken = median_ms(lambda r=resource, s=seen, n=now: decide(r, s, n))
            status = world.status
            around = median_ms(lambda w=world, s=status: (w.resource, s.model_dump_json(by_alias=True)))
            slowest = max(slowest, taken)
            print(f"{strategy:10} {candidate.step:10} {len(world.pods):5} {taken:10.3f} {around:14.3f}")
    print(f"slowest: {slowest:.3f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
