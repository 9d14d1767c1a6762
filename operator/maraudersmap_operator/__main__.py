"""Run the operator: `python -m maraudersmap_operator`.

Order: settings, HTTP server, leader election, then the first audit, the workers and kopf. Losing the lease ends the process
at once; the kubelet starts a new one, which stands by.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from dataclasses import replace
from datetime import datetime

import kopf
from kopf._core.engines.peering import Identity
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException

from maraudersmap_operator.cluster import (
    KubernetesCluster,
    LeaseClock,
    Store,
    in_cluster,
    lead,
    open_api,
    own_namespace,
)
from maraudersmap_operator.reconcile import (
    InvalidSettings,
    Reconciler,
    Settings,
    Workers,
    help_text,
    read_settings,
)
from maraudersmap_operator.telemetry import Health, Metrics, configure_logs, logger, serve_http
from maraudersmap_operator.watch import (
    NoMemories,
    audit_forever,
    build_registry,
    build_settings,
    look_forever,
    look_once,
)

EXIT_BAD_CONFIGURATION = 2
EXIT_LEASE_LOST = 3


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="maraudersmap_operator",
        description="Turns MaraudersMap resources into running, scaled, watched, self-healing services.",
        epilog=help_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        settings = read_settings()
    except InvalidSettings as error:
        print(f"maraudersmap_operator: {error}", file=sys.stderr)  # noqa: T201  # before logs are set up
        return EXIT_BAD_CONFIGURATION
    if in_cluster():
        settings = replace(settings, own_namespace=own_namespace())
    configure_logs(settings.log_level)
    try:
        return asyncio.run(_run(settings))
    except ConfigException as error:
        logger().error("no cluster: run in one, or set KUBECONFIG", error=str(error))
        return EXIT_BAD_CONFIGURATION


async def _run(settings: Settings) -> int:
    """Until a signal or the loss of the lease; the exit code."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    metrics, health = Metrics(), Health()
    api = await open_api()
    try:
        async with serve_http(health, metrics, settings.http_port):
            task = asyncio.create_task(_lead(settings, metrics, health, api, stopped))
            stop = asyncio.create_task(stopped.wait())
            done, _ = await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task in done and not task.result() and not stopped.is_set():
                logger().error("lost the lease: leaving, so that only one operator acts")
                return EXIT_LEASE_LOST
            logger().info("stopping")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return 0
    finally:
        await api.close()  # type: ignore[no-untyped-call]


async def _lead(
    settings: Settings, metrics: Metrics, health: Health, api: ApiClient, stopped: asyncio.Event
) -> bool:
    """True when the work was ended by a signal, False when the lease was lost. Raises what broke the work."""
    clock = LeaseClock()

    async def work(led_before: datetime | None) -> None:
        health.standby = False
        metrics.leading(True)
        logger().info("leading")
        may_write = clock.holds if settings.leader_election else lambda: True
        cluster = KubernetesCluster(api, metrics.request, may_write)
        await _operate(settings, metrics, health, api, cluster, stopped, led_before)

    if not settings.leader_election:
        await work(None)
        return True
    health.standby = True
    return await lead(api, own_namespace(), _identity(), work, clock)


def _identity() -> str:
    """Names this process in the Lease."""
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}-{os.getpid()}"


async def _operate(
    settings: Settings,
    metrics: Metrics,
    health: Health,
    api: ApiClient,
    cluster: KubernetesCluster,
    stopped: asyncio.Event,
    led_before: datetime | None,
) -> None:
    """Until a signal: while kopf runs it has the signals, in the place of the handlers of `_run`."""
    store = Store()
    reconciler = Reconciler(cluster, store, settings, metrics, led_before=led_before)
    working = Workers(reconciler.reconcile, reconciler.converge, metrics, health, reconciler.can_wait)
    queue = working.passes
    namespaces = settings.namespaces
    async with asyncio.TaskGroup() as group:
        audit = group.create_task(audit_forever(cluster, store, queue, namespaces, health, metrics))
        # No pass before the first audit: it would take what the watches have not reported yet for deleted.
        await health.first_audit.wait()
        await look_once(reconciler.served, store, queue)
        kinds = group.create_task(look_forever(reconciler.served, store, queue))
        workers = group.create_task(working.run(settings.workers))
        try:
            await kopf.operator(
                registry=build_registry(store, queue, api),
                settings=build_settings(),
                memories=NoMemories(),
                # Of its own kopf would ask for the user's name, which a numeric uid in a container does not have.
                identity=Identity(_identity()),
                standalone=True,
                clusterwide=not namespaces,
                namespaces=namespaces,
                stop_flag=stopped,
            )
        finally:
            audit.cancel()
            kinds.cancel()
            workers.cancel()


if __name__ == "__main__":
    sys.exit(main())
