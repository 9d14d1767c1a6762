"""Resources as the engine leaves them in each phase, on the fake: for what judges them from outside.

`python -m tests.unit.gitops.situations FOLDER` writes them as files.

    resource = (await situations())["rolled-back"]
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.unit.operator.fake.harness import Loop

Object = dict[str, Any]


async def fresh(loop: Loop) -> None:
    """Made a moment ago: nobody has looked at it yet."""
    loop.apply()


async def pending(loop: Loop) -> None:
    """The evaluation database starts."""
    loop.apply()
    await loop.until(lambda: loop.phase == "Pending", 30)


async def deploying(loop: Loop) -> None:
    loop.apply()
    await loop.until(lambda: loop.phase == "Deploying", 60)


async def ready(loop: Loop) -> None:
    await loop.create()


async def rolling_out(loop: Loop) -> None:
    await loop.create()
    loop.good()
    await loop.until(lambda: loop.phase == "RollingOut", 60)


async def waiting_for_promotion(loop: Loop) -> None:
    await loop.create(rollout={"autoPromote": False})
    loop.good()
    await loop.until(lambda: loop.condition("Ready").get("reason") == "WaitingForPromotion", 120)


async def sharing(loop: Loop) -> None:
    """A canary that waits at its second step."""
    steps = [{"share": 10, "holdSeconds": 0}, {"share": 50, "pause": True}]
    await loop.create(rollout={"strategy": "Canary", "steps": steps})
    loop.good()
    await loop.until(lambda: loop.candidate.get("canaryStep") == 1, 120)
    await loop.run(10)


async def baking(loop: Loop) -> None:
    await loop.create()
    loop.good()
    await loop.until(lambda: loop.phase == "Baking", 120)


async def promoted(loop: Loop) -> None:
    """Ready, with an earlier revision to go back to."""
    await baking(loop)
    await loop.until(lambda: loop.phase == "Ready", 200)


async def rolled_back(loop: Loop) -> None:
    await loop.create()
    loop.bad()
    await loop.until(lambda: loop.phase == "RolledBack", 200)


async def undone(loop: Loop) -> None:
    """Sent back by a person; the spec asks for something else."""
    await promoted(loop)
    loop.ask("rollback-to", f"{loop.status['history'][1]['revision']}/t")
    await loop.until(lambda: "pin" in loop.status and not loop.candidate, 200)


async def degraded(loop: Loop) -> None:
    """A pod of stable that crashes."""
    await loop.create()
    working = {pod["metadata"]["name"] for pod in loop.pods()}
    loop.controllers.kubelet.crashes = lambda pod: pod["metadata"]["name"] not in working
    loop.edit(replicas=4)
    await loop.until(lambda: loop.phase == "Degraded", 200)


async def stalled(loop: Loop) -> None:
    """A ConfigMap that the spec names is not there."""
    await loop.create()
    loop.edit(config={"configMapRefs": [{"name": "owl"}]})
    await loop.until(lambda: loop.phase == "Stalled", 60)


async def held(loop: Loop) -> None:
    """Withdrawn: its pods could not be started, and it is tried again later."""
    await loop.create(rollout={"progressDeadlineSeconds": 30})
    loop.controllers.kubelet.unschedulable = lambda pod: "0/2 nodes are available: 2 Insufficient cpu."
    loop.good()
    await loop.until(lambda: "hold" in loop.status and not loop.candidate, 200)


async def paused(loop: Loop) -> None:
    await loop.create()
    loop.good(rollout={"paused": True})
    await loop.until(lambda: loop.phase == "Paused", 60)


async def suspended(loop: Loop) -> None:
    await loop.create()
    loop.edit(suspend=True)
    await loop.until(lambda: loop.phase == "Suspended", 120)


async def not_seen(loop: Loop) -> None:
    """The spec has changed since the operator last looked."""
    await loop.create()
    loop.good()


STORIES: dict[str, Callable[[Loop], Awaitable[None]]] = {
    story.__name__.replace("_", "-"): story
    for story in (
        fresh, pending, deploying, ready, rolling_out, waiting_for_promotion, sharing, baking, promoted, rolled_back, undone,
        degraded, stalled, held, paused, suspended, not_seen,
    )
}  # fmt: skip


async def situation(name: str) -> Object:
    """The resource at the end of that story."""
    async with Loop() as loop:
        await STORIES[name](loop)
        return loop.resource


async def situations() -> dict[str, Object]:
    """All of them by name."""
    return {name: await situation(name) for name in STORIES}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, resource in asyncio.run(situations()).items():
        (folder / f"{name}.json").write_text(json.dumps(resource, indent=1) + "\n", encoding="utf-8")
