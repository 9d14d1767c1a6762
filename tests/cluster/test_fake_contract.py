"""The contract of the in-process API server (tests/unit/operator/fake) on the real one: a fake that differs fails here."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import yaml
from dev.kube import Kubectl, await_established
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from tests.unit.operator.fake import contract
from tests.unit.operator.fake.schema import CRD

from maraudersmap_operator.cluster import Cluster, KubernetesCluster, Manifest, client, kinds
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, Kind

COPY = Kind("contract.hogwarts.edu", MARAUDERSMAP.version, MARAUDERSMAP.kind, MARAUDERSMAP.plural)
UNTIL_SECONDS = 60.0
POLL_SECONDS = 0.1
WATCH_SECONDS = 1


class OtherManager(KubernetesCluster):
    """Someone else with the same rights."""

    async def _send(self, method: str, path: str, query: Any, **parameters: Any) -> Any:
        if "field_manager" in parameters:
            parameters["field_manager"] = contract.FOREIGN
        return await super()._send(method, path, query, **parameters)


class RealGround:
    def __init__(self, api: ApiClient, powerless: ApiClient, kubectl: Kubectl, namespace: str) -> None:
        self._real = KubernetesCluster(api)
        self.cluster: Cluster = self._real
        self.foreign: Cluster = OtherManager(api)
        self.powerless: Cluster = KubernetesCluster(powerless)
        self.namespace = namespace
        self.resource = COPY
        self._kubectl = kubectl

    async def quota(self, name: str, hard: dict[str, str]) -> None:
        wanted = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"hard": hard},
        }
        await self._do("apply", "-f", "-", input=json.dumps(wanted))

        async def in_force() -> bool:
            quota = await self._do("get", "resourcequota", name, "-o", "json")
            return (json.loads(quota).get("status") or {}).get("hard") == hard

        await self.until(in_force, f"quota {name}")

    async def no_quota(self, name: str) -> None:
        await self._do("delete", "resourcequota", name)

    async def watched(self, kind: Kind, selector: str, since: int) -> list[tuple[str, Manifest]]:
        query = [
            ("watch", "true"),
            ("resourceVersion", str(since)),
            ("timeoutSeconds", str(WATCH_SECONDS)),
            ("labelSelector", selector),
        ]
        response = await self._real._send("GET", kind.path(self.namespace), query)
        events = [json.loads(line) for line in (await response.text()).splitlines()]
        return [(e["type"], e["object"]) for e in events]

    async def orphan(self, kind: Kind, name: str) -> None:
        await self._do("delete", kind.plural, name, "--cascade=orphan")

    async def until(self, look: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + UNTIL_SECONDS
        while not await look():
            assert time.monotonic() < deadline, what
            await asyncio.sleep(POLL_SECONDS)

    async def _do(self, *args: str, input: str | None = None) -> str:  # noqa: A002 (subprocess calls it so)
        return await asyncio.to_thread(self._kubectl, "-n", self.namespace, *args, input=input)


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> Iterator[str]:
    # Without a policy for pods: what it forbids is another test's.
    name = f"mm-contract-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def copy_of_the_crd(kubectl: Kubectl) -> Iterator[None]:
    """The CRD of this checkout in a group of its own: an operator on the cluster leaves its objects alone."""
    definition = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    definition["metadata"]["name"] = f"{COPY.plural}.{COPY.group}"
    definition["spec"]["group"] = COPY.group
    for name in ("shortNames", "categories"):
        definition["spec"]["names"].pop(name, None)
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(definition))
    await_established(kubectl, definition["metadata"]["name"])
    yield
    kubectl("delete", "crd", definition["metadata"]["name"], "--wait=false")


@pytest.fixture
async def ground(
    kubectl: Kubectl, namespace: str, copy_of_the_crd: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RealGround]:
    monkeypatch.setattr(client, "MARAUDERSMAP", COPY)
    monkeypatch.setitem(kinds._BY_NAME, (COPY.api_version, COPY.kind), COPY)
    configuration = Configuration()
    await config.load_kube_config(config_file=kubectl.kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with ApiClient(configuration) as api, ApiClient(configuration) as powerless:
        # A user without any right, whom an administrator may speak for.
        powerless.set_default_header("Impersonate-User", contract.POWERLESS)
        yield RealGround(api, powerless, kubectl, namespace)


@pytest.mark.parametrize("check", contract.checks())
async def test_contract(ground: RealGround, check: contract.Check) -> None:
    await check(ground)
