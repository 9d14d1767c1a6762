"""How long the cluster tests wait, in seconds, and why so long. Every wait ends as soon as its condition holds.

The aims of the product are asserted on what the status reports (detectSeconds, restoreSeconds), not on these: they are
for a busy machine with two cores, where image pulls, database starts and the tests' own kubectl calls share the CPU.
"""

from typing import Final

READY: Final = 240.0
"""From `kubectl apply` to Ready: pull three images, start PostgreSQL, migrate, start the API."""

ROLLED_BACK: Final = 120.0
"""From a bad edit to RolledBack; the aim is 15 to 20 s."""

PROMOTED: Final = 240.0
"""From a good edit to Ready: migrate, witnesses, full size, bake."""

TAKEN_OVER: Final = 60.0
"""From the leader's death to the next leader: the lease of 15 s, its retry of 2 s, the first audit."""

NOTICED: Final = 60.0
"""From a change somewhere to the operator's reaction in the status or in a child."""

HEALED: Final = 120.0
"""From the thing that was missing being there to Ready: references are looked for again every 5 to 60 s."""

GONE: Final = 120.0
"""From `kubectl delete` to nothing left: garbage collection, draining pods, PostgreSQL's shutdown."""

FIRST_CPU_FIGURES: Final = 180.0
"""From a pod's start to an HPA that knows its CPU: two rounds of metrics-server and a sync."""

AT_REST: Final = 20.0
"""How long the operator is watched writing nothing."""

LONG_REST: Final = 600.0
"""The same, in the extended suite: several times the longest of its own intervals."""

AIM_DETECT_TAG: Final = 15.0
AIM_DETECT_CRASH: Final = 20.0
