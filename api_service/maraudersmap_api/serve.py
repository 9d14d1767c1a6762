"""The server process: from settings to a clean exit."""

import asyncio
import gc
import signal
import socket
from collections.abc import Mapping

from maraudersmap_api import __version__, exit_codes
from maraudersmap_api.app import build, drain
from maraudersmap_api.infra.logs import configure_logs, log
from maraudersmap_api.settings import load_settings


async def serve(environ: Mapping[str, str], listener: socket.socket | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Returns the exit code; raises SettingsError.

    `listener` is a socket that is listened on already, shared with other workers.
    """
    settings = load_settings(environ)
    configure_logs(settings.environment, settings.log_level, folder=settings.log_dir)
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)

    service = build(settings)
    try:
        port = await service.server.start(settings.host, settings.port, listener)
        if service.operators is not None:
            await service.operators.start(settings.host, settings.metrics_port or 0)
    except OSError as error:
        context = {"port": settings.port, "metricsPort": settings.metrics_port, "reason": str(error)}
        log.error("Cannot listen", extra={"context": context})
        await service.server.stop()
        return exit_codes.FAILED
    gc.freeze()  # what start-up built lives as long as the process: spare every later collection from it
    runs_on = type(loop).__module__.partition(".")[0]
    log.info("Serving", extra={"context": {"port": port, "version": __version__, "eventLoop": runs_on}})

    await asked_to_stop.wait()
    log.info("Draining", extra={"context": {"seconds": settings.drain_seconds}})
    finished = await drain(service, settings.drain_seconds)
    if service.operators is not None:  # last: going away is what they watch
        await service.operators.stop()
    log.info("Stopped", extra={"context": {"everyRequestFinished": finished}})
    return exit_codes.OK
