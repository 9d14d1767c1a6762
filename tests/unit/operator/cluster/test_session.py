"""The client asks for no proxy before each request where there is none, and goes through one where there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kubernetes.aio.config import kube_config

from maraudersmap_operator.cluster import open_api
from maraudersmap_operator.cluster.session import behind_proxy

SERVER = "https://10.96.0.1:443"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "castle",
        "clusters": [{"name": "castle", "cluster": {"server": SERVER, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "filch", "user": {"token": "norris"}}],
        "contexts": [{"name": "castle", "context": {"cluster": "castle", "user": "filch"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    # $KUBECONFIG is read when the library is imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "behind"),
    [
        ({}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, True),
        ({"HTTP_PROXY": "http://proxy:3128"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.96.0.1"}, False),
    ],
    ids=str,
)
async def test_the_environment_is_asked_only_behind_a_proxy(
    environment: pytest.MonkeyPatch, variables: dict[str, str], behind: bool
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert behind_proxy(SERVER) is behind
    api = await open_api()
    try:
        session = api.rest_client._create_pool_manager()
        assert session.trust_env is behind
        await session.close()
    finally:
        await api.close()  # type: ignore[no-untyped-call]
