"""`smoke`, from its arguments to its exit code."""

import argparse
import asyncio
import json
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from statistics import median
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from maraudersmap_api import SERVICE_NAME, __version__, visitors
from maraudersmap_api.auth.passwords import Passwords
from maraudersmap_api.commands import UNREACHABLE, leave_message
from maraudersmap_api.infra.connecting import connect_plainly
from maraudersmap_api.infra.logs import configure_logs
from maraudersmap_api.settings import SettingsError, load_database_settings
from maraudersmap_api.smoke.judge import (
    Outcome,
    Verdict,
    both_fail,
    judged,
    load_findings,
    sick_alike,
    walk_findings,
)
from maraudersmap_api.smoke.load import Load, paired
from maraudersmap_api.smoke.probe import Seen, Side, Step
from maraudersmap_api.smoke.walk import Hung, read_everything, reads, sign_in, write_and_undo

CONNECT_SECONDS = 5.0
STATEMENTS_SECONDS = 15.0
WALK_SECONDS = 60.0
REACH_SECONDS = 10.0
"""A Service may need a moment to know its endpoints."""
DELIVERY_SECONDS = 2.0
"""How long the revisions have to inform their sockets of a withdrawn report, before its row goes."""
LEFT_OVER = timedelta(hours=1)


class Environment(Exception):
    """The run cannot judge the candidate; the message names what is missing."""


async def smoke(environ: Mapping[str, str], arguments: argparse.Namespace) -> int:
    """Judge a candidate: 0 passes, 1 rejects, 75 could not be judged. The last line of standard output is the summary."""
    run = _Run(arguments)
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    judging = asyncio.create_task(run.judge(environ), name="smoke")

    def stop() -> None:
        if not judging.cancelling():  # a second signal must not keep the account from being removed
            judging.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        verdict = await judging
    except asyncio.CancelledError:
        verdict = Verdict(Outcome.ENVIRONMENT, ("the run was ended by a signal",))
    except Environment as missing:
        verdict = Verdict(Outcome.ENVIRONMENT, (str(missing),))
    except SettingsError as error:
        # Not the candidate's fault either, and exit code 2 would count as one.
        verdict = Verdict(Outcome.ENVIRONMENT, error.problems)
    text = json.dumps(run.summary(verdict, time.monotonic() - started))
    leave_message(text[:4000])
    sys.stderr.flush()
    print(text, flush=True)  # noqa: T201 - the command's output
    return verdict.outcome.exit_code


class _Run:
    """One run: its account, its two sides, and what it saw."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._database_url = ""
        self._candidate: Side | None = None
        self._baseline: Side | None = None
        self._load: Load | None = None
        self._account: UUID | None = None
        self._email = f"smoke.{secrets.token_hex(16)}@hogwarts.edu"
        self._password = secrets.token_urlsafe(32)
        self._withdrawn_at: float | None = None
        self._removed: bool | None = None

    async def judge(self, environ: Mapping[str, str]) -> Verdict:
        """Make the account, walk, load, judge, remove the account. Raises Environment, SettingsError."""
        settings = load_database_settings(environ)
        configure_logs(settings.environment, settings.log_level, sys.stderr)
        self._database_url = settings.url
        try:
            await self._with_database(self._remove_left_over)
            await self._admit()
            timeout = aiohttp.ClientTimeout(total=None)
            agent = {"User-Agent": f"{SERVICE_NAME}-smoke/{__version__}"}
            async with aiohttp.ClientSession(timeout=timeout, headers=agent) as http:
                self._candidate = Side("candidate", self._arguments.candidate, http)
                if self._arguments.baseline is not None:
                    self._baseline = Side("baseline", self._arguments.baseline, http)
                return await self._judge(self._candidate, self._baseline)
        finally:
            await self._leave()

    async def _judge(self, candidate: Side, baseline: Side | None) -> Verdict:
        if baseline is not None and (problem := await _unreachable(baseline)) is not None:
            raise Environment(f"the baseline cannot be reached: {problem}")
        if (problem := await _unreachable(candidate)) is not None:
            candidate.seen.append(Seen("liveness", None, REACH_SECONDS, problem))
            return await self._after_walk(candidate, walk_findings(candidate.seen), baseline)
        _print_line(f"{candidate.url} answers")
        incident, findings = await self._walk(candidate)
        if findings or baseline is None:
            return await self._after_walk(candidate, findings, baseline)
        return await self._under_load(candidate, baseline, incident)

    async def _walk(self, candidate: Side) -> tuple[int | None, tuple[str, ...]]:
        """An incident that can be read, and what speaks against the candidate."""
        incident = None
        try:
            async with asyncio.timeout(WALK_SECONDS):
                if not (await sign_in(candidate, self._email, self._password)).failed:
                    await write_and_undo(candidate, self._undo)
                    incident = await read_everything(candidate, _print_line)
        except Hung:
            pass  # it shows in what was seen
        except TimeoutError:
            return None, (f"the walk did not end within {WALK_SECONDS:g} s", *walk_findings(candidate.seen))
        return incident, walk_findings(candidate.seen)

    async def _after_walk(self, candidate: Side, findings: tuple[str, ...], baseline: Side | None) -> Verdict:
        """Findings count only while everything else is well."""
        trouble = await self._database_trouble() if findings else None
        if findings and trouble is None and baseline is not None:
            trouble = await self._trouble_of(baseline, candidate)
        return judged(findings, trouble=trouble, stopped=None, pairs=None)

    async def _trouble_of(self, baseline: Side, candidate: Side) -> str | None:
        """Does it fail where the candidate failed? Only reads, and signing in, are asked of it."""
        try:
            async with asyncio.timeout(WALK_SECONDS):
                if not await self._let_in(baseline, candidate):
                    return "the baseline lets no one sign in"
                await read_everything(baseline, _print_line)
        except Hung:
            pass
        except TimeoutError:
            return f"the baseline did not answer everything within {WALK_SECONDS:g} s"
        return sick_alike(candidate.seen, baseline.seen)

    async def _let_in(self, baseline: Side, candidate: Side) -> bool:
        """Use the candidate's session there; only where it does not count, while keys are changed, open another."""
        baseline.token = candidate.token
        if baseline.token is not None and (await baseline.ask(Step("me", "/api/auth/me"))).status != 401:
            return True
        return not (await sign_in(baseline, self._email, self._password)).failed

    async def _under_load(self, candidate: Side, baseline: Side, incident: int | None) -> Verdict:
        if not await self._let_in(baseline, candidate):
            raise Environment("the baseline lets no one sign in")
        self._load = load = await paired(
            candidate,
            baseline,
            [step for step in reads(incident) if step.expects == 200],
            per_second=self._arguments.requests_per_second,
            seconds=self._arguments.seconds,
            report=_print_line,
        )
        findings = load_findings(load.pairs)
        trouble = both_fail(load.pairs)
        if findings and trouble is None:
            trouble = load.stopped if load.suffered else await self._database_trouble()
        return judged(findings, trouble=trouble, stopped=load.stopped, pairs=len(load.pairs))

    async def _database_trouble(self) -> str | None:
        try:
            await self._with_database(lambda connection: connection.fetchval("SELECT 1"))
        except Environment as away:
            return str(away)
        return None

    # --- the account ---

    async def _admit(self) -> None:
        passwords = Passwords()
        try:
            hashed = await passwords.hash(self._password)
        finally:
            passwords.close()
        operator = f"smoke@{socket.gethostname()}"

        async def admit(connection: Any) -> UUID:
            async with connection.transaction():
                return (await visitors.admit(connection, self._email, hashed, operator)).id

        self._account = await self._with_database(admit)
        _print_line("the account for this run is there")

    async def _remove_left_over(self, connection: Any) -> None:
        before = await connection.fetchval("SELECT now()") - LEFT_OVER
        await visitors.withdraw(connection, before=before)
        await visitors.remove(connection, before=before)

    async def _undo(self) -> None:
        """Withdraw what the account reported."""
        account = self._account
        if await self._with_database(lambda connection: visitors.withdraw(connection, only=account)):
            self._withdrawn_at = time.monotonic()

    async def _leave(self) -> None:
        """Remove the account and all that it left; a later run or upkeep does it when this one cannot."""
        if self._account is None:
            return
        account = self._account
        self._removed = False
        try:
            await self._undo()
            if self._withdrawn_at is not None:
                await asyncio.sleep(max(0.0, self._withdrawn_at + DELIVERY_SECONDS - time.monotonic()))
            removed = await self._with_database(lambda connection: visitors.remove(connection, only=account))
        except Environment as away:
            _print_line(f"the account could not be removed, a later run or upkeep will: {away}")
        else:
            self._removed = removed == 1

    async def _with_database(self, work: Callable[[Any], Any]) -> Any:
        """`work(connection)` in bounded time. Raises Environment."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS + STATEMENTS_SECONDS):
                connection = await connect_plainly(self._database_url, CONNECT_SECONDS)
                try:
                    return await work(connection)
                finally:
                    await connection.close(timeout=CONNECT_SECONDS)
        except UNREACHABLE as error:
            raise Environment(f"the database cannot be reached ({type(error).__name__})") from error
        except asyncpg.PostgresError as error:
            raise Environment(f"the database refuses ({type(error).__name__}: {error})") from error

    # --- the summary ---

    def summary(self, verdict: Verdict, seconds: float) -> dict[str, Any]:
        """The last line."""
        load = self._load
        return {
            "outcome": verdict.outcome.value,
            "exitCode": verdict.outcome.exit_code,
            "reasons": list(verdict.reasons),
            "candidate": _figures(self._candidate),
            "baseline": _figures(self._baseline),
            "pairs": None if load is None else len(load.pairs),
            "loadStopped": None if load is None else load.stopped,
            "accountRemoved": self._removed,
            "seconds": round(seconds, 1),
        }


async def _unreachable(side: Side) -> str | None:
    """Why nothing answers there; None when something does. Raises Environment when the name leads nowhere."""
    loop = asyncio.get_running_loop()
    until = loop.time() + REACH_SECONDS
    while True:
        try:
            async with (
                asyncio.timeout_at(until),
                side.http.get(f"{side.url}/health/live", allow_redirects=False),
            ):
                return None
        except TimeoutError:
            return f"no answer within {REACH_SECONDS:g} s"
        except aiohttp.ClientConnectorDNSError as error:
            raise Environment(f"{side.name}: the name {error.host} does not resolve") from error
        except (aiohttp.ClientError, OSError) as error:
            problem = type(error).__name__
        if loop.time() + 0.5 >= until:
            return problem
        await asyncio.sleep(0.5)


def _figures(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    times = sorted(seen.seconds for seen in side.seen if seen.status is not None)
    return {
        "url": side.url,
        "requests": len(side.seen),
        "failures": sum(seen.failed for seen in side.seen),
        "p50Ms": round(median(times) * 1000, 1) if times else None,
        "p95Ms": round(times[int(0.95 * (len(times) - 1))] * 1000, 1) if times else None,
    }


def _print_line(text: str) -> None:
    print(f"smoke: {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress, for people
