"""Reading on in the outbox, against a real PostgreSQL: everything that was committed, once, in whatever order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from dev.local_services import LocalPostgres
from tests.component.api.sockets import connected
from tests.component.conftest import PATIENCE_SECONDS, Api, readiness, running_api, until

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.connecting import Connector
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.migrate import migrate, shipped_migrations
from maraudersmap_api.outbox import repository
from maraudersmap_api.outbox import tail as module
from maraudersmap_api.outbox.models import Committed, Event
from maraudersmap_api.outbox.tail import OVERLAP_SECONDS, Tail
from maraudersmap_api.settings import Pooler

# As every release so far writes it: the transaction's number is a default.
INSERT = "INSERT INTO events (type, incident_id, payload) VALUES ('incident:created', $1, '{}') RETURNING id"


class Listener:
    """Hears everything, and knows what it has heard."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.resyncs = 0

    def listens(self) -> bool:
        return True

    def unheard(self, event_ids: Sequence[int]) -> list[int]:
        return [event_id for event_id in event_ids if event_id not in self.heard]

    def offer(self, events: Sequence[Event]) -> None:
        self.heard += [event.id for event in events]

    def resync(self) -> None:
        self.resyncs += 1


@asynccontextmanager
async def reading(database: str) -> AsyncIterator[tuple[Tail, Listener, list[Committed]]]:
    """A tail that has just begun, moved by hand."""
    db = Database(Connector(database, Pooler.NONE, None), pool_size=2, metrics=Metrics())
    listener, changes = Listener(), list[Committed]()
    tail = Tail(db, Metrics(), cached=False)
    tail.deliver_to(listener)
    tail.on_change(changes.append)
    await tail.once()
    try:
        yield tail, listener, changes
    finally:
        await db.close()


@asynccontextmanager
async def writer(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def test_what_commits_late_is_read_late_and_nothing_twice(database: str) -> None:
    async with (
        reading(database) as (tail, listener, changes),
        writer(database) as one,
        writer(database) as two,
    ):
        slow = one.transaction()
        await slow.start()
        late = await one.fetchval(INSERT, 1)
        early = await two.fetchval(INSERT, 2)
        async with two.transaction():
            rolled_back = two.transaction()
            await rolled_back.start()
            await two.fetchval(INSERT, 3)
            await rolled_back.rollback()
            nested = await two.fetchval(INSERT, 4)
        await tail.once()
        await tail.once()
        assert listener.heard == [early, nested]
        assert tail.newest_change >= tail.floor, "nothing shared counts while an older transaction is open"

        await slow.commit()
        await tail.once()
        assert listener.heard == [early, nested, late]
        assert [change.event_id for change in changes] == [early, nested, late]
        assert tail.newest_change < tail.floor


async def test_it_begins_where_it_began_and_goes_on_where_it_stopped(own_postgres: LocalPostgres) -> None:
    database = own_postgres.create_database("map")
    await migrate(database, shipped_migrations())
    async with writer(database) as one:
        await one.fetchval(INSERT, 1)
    async with reading(database) as (tail, listener, _):
        await tail.once()
        assert listener.heard == [], "what was before it is nobody's"
        async with writer(database) as one:
            number = await one.fetchval(INSERT, 2)
        own_postgres.pause()
        with pytest.raises(Unavailable):
            await tail.once()
        own_postgres.resume()
        await tail.once()
        assert listener.heard == [number]


async def test_another_server_is_read_from_before_the_last_reading(own_postgres: LocalPostgres) -> None:
    """After a failover the numbers of transactions may be given a second time: places in history mean nothing."""
    database = own_postgres.create_database("map")
    await migrate(database, shipped_migrations())
    async with reading(database) as (tail, listener, _):
        async with writer(database) as one:
            unread = await one.fetchval(INSERT, 1)
            by_a_clock_behind = await one.fetchval(INSERT, 2)
            old = await one.fetchval(INSERT, 2)
            for number, seconds in ((by_a_clock_behind, 60), (old, OVERLAP_SECONDS + 60)):
                await one.execute(
                    "UPDATE events SET created_at = created_at - make_interval(secs => $2) WHERE id = $1",
                    number,
                    seconds,
                )
            assert tail.read_at > 0
            before = tail.server
        await asyncio.to_thread(own_postgres.stop)
        with pytest.raises(Unavailable):
            await tail.once()
        await asyncio.to_thread(own_postgres.start)

        await tail.once()

        assert listener.heard == [unread, by_a_clock_behind]
        assert tail.read_at == float("-inf"), "what is read may still come from the server before"
        assert tail.server != before, "what was shared before is not found"
        async with writer(database) as one:
            number = await one.fetchval(INSERT, 3)
        await tail.once()
        assert listener.heard == [unread, by_a_clock_behind, number]


async def test_more_than_can_be_read_means_reading_anew(database: str) -> None:
    async with reading(database) as (tail, listener, _), writer(database) as one:
        await one.execute(
            """INSERT INTO events (type, incident_id, payload)
               SELECT 'incident:updated', 1, '{}' FROM generate_series(1, $1)""",
            repository.MOST_READ + 1,
        )
        await tail.once()
        assert (listener.heard, listener.resyncs) == ([], 1)
        assert tail.newest_change < tail.floor <= tail.newest_change + 1
        number = await one.fetchval(INSERT, 1)
        await tail.once()
        assert (listener.heard, listener.resyncs) == ([number], 1)


@pytest.mark.parametrize("count", [1, repository.MOST_READ + 1])
async def test_events_of_a_restored_backup_are_not_new_again_and_again(database: str, count: int) -> None:
    """Its server had counted more transactions than the one that it was restored on."""
    async with writer(database) as one:
        await one.execute(
            """INSERT INTO events (type, incident_id, payload, xid)
               SELECT 'incident:updated', 1, '{}', '9000000000000'::xid8 FROM generate_series(1, $1)""",
            count,
        )
    async with reading(database) as (tail, listener, changes), writer(database) as one:
        await tail.once()
        number = await one.fetchval(INSERT, 2)
        await tail.once()
        await tail.once()

    assert (listener.heard, listener.resyncs) == ([number], 0)
    assert [change.event_id for change in changes] == [number]
    assert tail.newest_change < tail.floor, "answers are shared again"


async def test_an_event_that_only_a_newer_release_knows_stops_nothing(database: str) -> None:
    """Two releases live side by side: it is a change for the cache, and announced by the pods that can."""
    async with reading(database) as (tail, listener, changes), writer(database) as one:
        await one.execute(
            "INSERT INTO events (type, incident_id, payload) VALUES ('incident:cursed', 7, '{}')"
        )
        await tail.once()
        assert [(change.type, change.incident_id) for change in changes] == [("incident:cursed", 7)]
        assert tail.newest_change == changes[0].transaction
        number = await one.fetchval(INSERT, 1)
        await tail.once()
        assert listener.heard == [number]


async def test_reading_on_uses_the_index_however_large_the_table_is(database: str) -> None:
    async with writer(database) as one:
        await one.execute(
            """INSERT INTO events (type, incident_id, payload)
               SELECT 'incident:updated', 1, '{}' FROM generate_series(1, 20000)"""
        )
        await one.execute("ANALYZE events")
        await one.execute("SET plan_cache_mode = force_generic_plan")
        await one.execute(f"PREPARE reading (text) AS {repository._SINCE}")
        plan = await one.fetch("EXPLAIN EXECUTE reading (pg_current_snapshot()::text)")
        text = "\n".join(row[0] for row in plan)
        assert "Index Scan using events_xid" in text, text
        assert "Sort" not in text


async def test_who_waits_for_a_reading_gets_it_soon(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 10 * PATIENCE_SECONDS)
    db = Database(Connector(database, Pooler.NONE, None), pool_size=2, metrics=Metrics())
    db.available = True
    tail = Tail(db, Metrics(), cached=False)
    tail.start()

    async def has_read(after: float) -> bool:
        return tail.read_at > after

    await until(lambda: has_read(0))
    last = tail.read_at
    tail.hurry()
    await until(lambda: has_read(last))
    await tail.stop()
    await db.close()


async def _lag(api: Api) -> float:
    text = (await api.call("GET", "/metrics")).body.decode()
    return float(
        next(line for line in text.splitlines() if line.startswith("outbox_lag_seconds ")).split()[1]
    )


async def test_the_lag_is_a_metric_that_grows_while_nothing_can_be_read(own_postgres: LocalPostgres) -> None:
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    async with running_api(url) as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        async with connected(api, "moody"):

            async def behind() -> bool:
                return await _lag(api) > 5

            async def caught_up() -> bool:
                return await _lag(api) < 3

            await until(caught_up)
            own_postgres.pause()
            try:
                await until(behind)
            finally:
                own_postgres.resume()
            await until(caught_up)


async def test_without_redis_other_processes_are_heard_all_the_same(database: str) -> None:
    async with running_api(database) as one, running_api(database) as two:
        for api in (one, two):
            await readiness(api, 200)
        await one.person("moody", "AUROR")
        two.tokens = one.tokens
        async with connected(one, "moody") as here, connected(two, "moody") as there:
            made = (await one.report("moody"))["id"]
            for client in (here, there):
                assert (await client.expect("incident:created"))["data"]["id"] == made
            text = (await two.call("GET", "/metrics")).body.decode()
            assert "outbox_found_total 1.0" in text
