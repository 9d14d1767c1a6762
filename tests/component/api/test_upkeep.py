"""What is kept for how long, and what is written down about administrators."""

import json
import time
from datetime import UTC, datetime, timedelta, tzinfo

import asyncpg
import pytest
from tests.component.conftest import Api, run, until

from maraudersmap_api import upkeep as module
from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.upkeep import Upkeep


async def test_old_rows_go_and_young_ones_stay(api: Api) -> None:
    moody = await api.person("moody", "AUROR")
    await api.person("harry")
    await api.report("harry", severity="DANGEROUS")
    body = {"title": "x", "location": "HOGWARTS"}
    await api.call("POST", "/api/incidents", user="harry", json=body, headers={"Idempotency-Key": "k"})
    metrics = Metrics()
    upkeep = Upkeep(api.service.domain._db, metrics)

    async def counts() -> dict[str, int]:
        tables = ("events", "idempotency_keys", "notifications", "refresh_tokens")
        return {table: (await api.sql(f"SELECT count(*) FROM {table}"))[0][0] for table in tables}  # noqa: S608 - ours

    now = datetime.now(UTC)
    await upkeep.once(now + timedelta(hours=23))
    assert await counts() == {"events": 3, "idempotency_keys": 1, "notifications": 1, "refresh_tokens": 2}
    await upkeep.once(now + timedelta(hours=25))
    assert await counts() == {"events": 0, "idempotency_keys": 0, "notifications": 1, "refresh_tokens": 2}
    await upkeep.once(now + timedelta(days=7, hours=23))
    assert (await counts())["refresh_tokens"] == 2, "an expired one may still be used twice"
    await upkeep.once(now + timedelta(days=8, hours=1))
    assert await counts() == {"events": 0, "idempotency_keys": 0, "notifications": 1, "refresh_tokens": 0}
    await upkeep.once(now + timedelta(days=91))
    assert (await counts())["notifications"] == 0

    text = metrics.render().decode()
    assert 'upkeep_removed_total{what="events"} 3.0' in text
    assert 'upkeep_removed_total{what="refresh_tokens"} 2.0' in text
    assert "upkeep_last_finished_timestamp_seconds 1" in text
    assert moody


class AWeekAhead(datetime):
    """The clock of a pod whose node has the wrong date."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "AWeekAhead":
        return cls.fromtimestamp(time.time() + 7 * 24 * 3600, tz)


async def test_a_pod_whose_clock_is_ahead_forgets_nothing_early(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.person("harry")
    body = {"title": "x", "location": "HOGWARTS"}
    await api.call("POST", "/api/incidents", user="harry", json=body, headers={"Idempotency-Key": "k"})
    monkeypatch.setattr(module, "datetime", AWeekAhead, raising=False)
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.0)
    metrics = Metrics()
    upkeep = Upkeep(api.service.domain._db, metrics)

    async def finished() -> bool:
        return "upkeep_last_finished_timestamp_seconds 1" in metrics.render().decode()

    upkeep.start()
    try:
        await until(finished)
    finally:
        await upkeep.stop()
    again = await api.call(
        "POST", "/api/incidents", user="harry", json=body, headers={"Idempotency-Key": "k"}
    )

    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await api.sql("SELECT count(*) FROM events"))[0][0] == 1


async def test_what_cannot_be_done_keeps_nothing_else_from_being_done(api: Api) -> None:
    await api.person("harry")
    await api.report("harry")
    upkeep = Upkeep(api.service.domain._db, Metrics())
    somebody = await asyncpg.connect(api.database_url)
    try:
        async with somebody.transaction():
            await somebody.execute("LOCK TABLE incident_tallies")
            with pytest.raises(Unavailable):
                await upkeep.once(datetime.now(UTC) + timedelta(hours=25))
            assert (await api.sql("SELECT count(*) FROM events"))[0][0] == 0
            assert (await api.sql("SELECT count(*) FROM tally_changes"))[0][0] > 0
    finally:
        await somebody.close()
    await upkeep.once(datetime.now(UTC) + timedelta(hours=25))
    assert (await api.sql("SELECT count(*) FROM tally_changes"))[0][0] == 0


async def test_what_administrators_do_to_accounts_is_written_down(api: Api) -> None:
    variables = {"DATABASE_URL": api.database_url}
    created = await run(
        "create-user --email moody@hogwarts.edu --role PREFECT", variables, stdin="constant vigilance\n"
    )
    assert created[0] == 0, created
    for command in (
        "set-role --email Moody@hogwarts.edu --role AUROR",
        "deactivate --email moody@hogwarts.edu",
        "activate --email moody@hogwarts.edu",
    ):
        assert (await run(command, variables))[0] == 0
    assert (await run("deactivate --email nobody@hogwarts.edu", variables))[0] == 1
    taken = await run("create-user --email moody@hogwarts.edu", variables, stdin="constant vigilance\n")
    assert taken[0] == 1

    rows = await api.sql("SELECT operator, command, email, details FROM admin_actions ORDER BY id")
    assert [row["command"] for row in rows] == ["create-user", "set-role", "deactivate", "activate"]
    assert {row["email"] for row in rows} == {"moody@hogwarts.edu"}
    assert all("@" in row["operator"] for row in rows)
    details = [json.loads(row["details"]) for row in rows]
    assert details[0] == {"after": {"role": "PREFECT", "isActive": True}}
    assert details[1]["before"] == {"role": "PREFECT", "isActive": True}
    assert details[1]["after"] == {"role": "AUROR", "isActive": True}
    assert [detail["after"]["isActive"] for detail in details] == [True, True, False, True]
