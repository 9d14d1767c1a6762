"""Leader election: one operator acts, the others stand by. The library's algorithm, hardened at its edges.

The library's lock catches only the API server's refusals. A reset connection or an answer that never comes would end the
process; here both count as "not renewed", and only a lease that stays unrenewed costs the leadership.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, V1Lease, V1ObjectMeta
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

LEASE_NAME = "maraudersmap-operator"
LEASE_SECONDS = 15
RENEW_DEADLINE_SECONDS = 10
RETRY_SECONDS = 2
CALL_SECONDS = 5

Found = tuple[bool, LeaderElectionRecord] | tuple[bool, Exception] | tuple[bool, None]


class LeaseClock:
    """Until when the lease is ours for certain: LEASE_SECONDS from before the request was *sent* that renewed it.

    By the time since boot, which goes on while the machine is suspended (`monotonic` does not), and by the wall clock,
    whichever runs out first.
    """

    def __init__(
        self,
        since_boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clocks = (since_boot, wall)
        self._until: tuple[float, ...] | None = None

    def read(self) -> tuple[float, ...]:
        return tuple(clock() for clock in self._clocks)

    def renewed(self, sent: tuple[float, ...]) -> None:
        """A request sent at that reading was answered: the lease is ours."""
        self._until = tuple(moment + LEASE_SECONDS for moment in sent)

    def holds(self) -> bool:
        """This process may still act."""
        return self._until is not None and all(
            now < until for now, until in zip(self.read(), self._until, strict=True)
        )


class SturdyLock(LeaseLock):
    def __init__(self, name: str, namespace: str, identity: str, api: ApiClient, clock: LeaseClock) -> None:
        super().__init__(name, namespace, identity, api)
        self.clock = clock
        self.renewed_before: datetime | None = None  # by another holder, the last time that was seen

    async def get(self, name: str, namespace: str) -> Found:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                found = await super().get(name, namespace)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return False, ApiException(status=0, reason=repr(error))
        lease = self.lease_reference
        if (
            found[0]
            and lease is not None
            and lease.spec is not None
            and lease.spec.holder_identity != self.identity
        ):
            self.renewed_before = lease.spec.renew_time or self.renewed_before
        return found

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        # The library's own passes `pretty=True`, which its generated client refuses since it validates arguments.
        return await self._tried(self._create(name, namespace, election_record))

    async def _create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        body = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            # Kept, so that it can be given back although it was never renewed.
            self.lease_reference = await self.api_instance.create_namespaced_lease(namespace, body)
        except ApiException:
            return False  # another replica was first, or the API server would not: tried again soon
        return True

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        return await self._tried(super().update(name, namespace, updated_record))

    async def release(self) -> None:
        """Let the next one start at once instead of waiting for the lease to run out."""
        # Read once more: the library does not keep the version that its last renewal was given.
        await self.get(self.name, self.namespace)
        lease = self.lease_reference
        if lease is None or lease.spec is None or lease.spec.holder_identity != self.identity:
            return
        # No holder, as client-go writes it: the library gives any name the whole of its own lease duration.
        lease.spec.holder_identity = ""
        lease.spec.lease_duration_seconds = 1
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self.api_instance.replace_namespaced_lease(
                    name=self.name, namespace=self.namespace, body=lease
                )
        except (ApiException, aiohttp.ClientError, TimeoutError, OSError):
            # It runs out by itself; we are leaving anyway.
            return

    async def _tried(self, call: Coroutine[Any, Any, bool]) -> bool:
        sent = self.clock.read()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                done = await call
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        if done:
            self.clock.renewed(sent)
        return done


async def lead(
    api: ApiClient,
    namespace: str,
    identity: str,
    work: Callable[[datetime | None], Coroutine[Any, Any, None]],
    clock: LeaseClock,
) -> bool:
    """Wait for the lease, then run `work` for as long as the lease is ours. It gets the moment at which the leader before
    this one renewed the lease last, None when there was none. `clock` follows the lease.

    True when `work` has ended by itself; False when the leadership was lost, and `work` was cancelled. Raises what `work`
    raised: a leader that does nothing must not keep the others waiting. However it ends, the lease is released.
    """
    lock = SturdyLock(LEASE_NAME, namespace, identity, api, clock)
    leading = asyncio.Event()

    async def started() -> None:
        leading.set()

    async def stopped() -> None:
        """The library calls it when the lease could not be renewed."""

    config = Config(
        lock,
        lease_duration=LEASE_SECONDS,
        renew_deadline=RENEW_DEADLINE_SECONDS,
        retry_period=RETRY_SECONDS,
        onstarted_leading=started,
        onstopped_leading=stopped,
    )
    election = asyncio.create_task(LeaderElection(config).run())

    async def lead_and_work() -> None:
        await leading.wait()
        await work(lock.renewed_before)

    working = asyncio.create_task(lead_and_work())
    try:
        done, _ = await asyncio.wait({election, working}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return working in done
    finally:
        for task in (working, election):
            task.cancel()
        await asyncio.gather(working, election, return_exceptions=True)
        await lock.release()
