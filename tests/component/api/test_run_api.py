"""`make run-api`: what a newcomer pastes works, and Ctrl-C leaves nothing behind."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import psutil
from dev.free_port import free_port
from tests.component.conftest import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]


async def test_the_printed_commands_work_and_ctrl_c_stops_everything() -> None:
    with tempfile.TemporaryDirectory(prefix="marauders-run-") as state:
        command = (sys.executable, "-m", "dev.run_api", "--port", str(free_port()), "--state", state)
        run_api = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        printed: list[str] = []
        assert run_api.stdout is not None
        async with asyncio.timeout(3 * PATIENCE_SECONDS):
            while "mischief managed" not in (line := (await run_api.stdout.readline()).decode()):
                assert line, f"run-api ended: {''.join(printed)}"
                printed.append(line)
        draining = asyncio.create_task(run_api.stdout.read())  # nobody may wait for a full pipe
        assert not [line for line in printed if "error" in line]
        children = psutil.Process(run_api.pid).children(recursive=True)

        second = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        refusal, _ = await second.communicate()
        assert second.returncode == 1
        assert b"another run-api of this checkout" in refusal
        elsewhere = (*command[:-1], f"{state}/another")
        third = await asyncio.create_subprocess_exec(*elsewhere, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(PATIENCE_SECONDS):
            refusal, _ = await third.communicate()
        assert third.returncode == 1
        assert b"is taken" in refusal

        script = "".join(printed[next(i for i, line in enumerate(printed) if "API=" in line) :])
        shell = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            script,
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
        )
        answers, _ = await shell.communicate()
        assert shell.returncode == 0
        assert answers.count(b'"title":"Polyjuice in the Slytherin common room"') == 2
        assert b'"total":1' in answers

        run_api.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await run_api.wait() == 0
        await draining
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
        assert [process.name() for process in alive] == []
        assert not (Path(state) / "postgres" / "postmaster.pid").exists()
