"""manifests/compose: what must hold for the service on one machine, as far as its files show it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev import compose
from dev.local_nginx import configured

from maraudersmap_api.settings import load_settings

DOCUMENT: dict[str, Any] = yaml.safe_load((compose.FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = DOCUMENT["services"]
API = ("api-1", "api-2", "api-3")
# The API's image has a health check of its own, and Prometheus is not waited for.
CHECKED_ELSEWHERE = {*API, "migrate", "prometheus"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_limited_restarted_and_bounded_in_its_logs(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} == set(limits)
    assert service["restart"] in ("unless-stopped", "on-failure")
    assert service["logging"]["options"]["max-size"]
    assert ("test" in service.get("healthcheck", {})) != (name in CHECKED_ELSEWHERE)


def test_names_that_are_used_are_defined() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", ())) <= set(DOCUMENT["secrets"])
        assert set(service["networks"]) <= set(DOCUMENT["networks"])
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in DOCUMENT["volumes"] or (compose.FOLDER / source).exists()


def test_only_nginx_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["nginx"]
    assert DOCUMENT["networks"]["inside"]["internal"]


def test_no_secret_is_in_the_environment() -> None:
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert name.endswith("_FILE") or not re.search("PASSWORD|SECRET|DATABASE_URL", name)


def test_the_instances_settings_are_taken_by_the_api(tmp_path: Path) -> None:
    """As it reads them, with the secrets that are made."""
    compose.make_secrets(tmp_path)
    environment = {
        name: str(value)
        .replace("/run/secrets", str(tmp_path))
        .replace("${ORIGIN:-https://localhost:8443}", "")
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
    nginx = (compose.FOLDER / "nginx.conf").read_text(encoding="utf-8")
    assert tuple(re.findall(r"server (api-\d):4001", nginx)) == API
    prometheus = yaml.safe_load((compose.FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = prometheus["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{name}:4001" for name in API]


def test_what_tests_change_of_nginxs_configuration_is_addresses_and_folders(tmp_path: Path) -> None:
    text = (compose.FOLDER / "nginx.conf").read_text(encoding="utf-8")
    changed = set(configured(text, tmp_path, (1, 2, 3), 80, 443).splitlines()) - set(text.splitlines())
    known = re.compile(r"\s*(user \w+;|server 127|listen 127|pid |\w+_temp_path |ssl_certificate)")
    assert all(known.match(line) for line in changed), changed


def test_secrets_are_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert shutil.which("openssl")
    assert set(compose.make_secrets(folder)) == set(DOCUMENT["secrets"])
    before = {file.name: file.read_text() for file in folder.iterdir()}
    assert compose.make_secrets(folder) == []
    assert {file.name: file.read_text() for file in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o077 == 0
