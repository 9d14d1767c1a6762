"""Rules, routes and dashboards, by the judgement of Prometheus' own programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev.monitoring.rules import OPERATOR, RESOURCES, files
from dev.monitoring.tools import tool

from maraudersmap_operator.children.objectives import Scope
from maraudersmap_operator.children.rules import Rules

from .cases import CASES, Case
from .files import MONITORING, PLAYBOOK, ROOT, ROUTES, RULES, SCRAPE, alerts, selectors

STEPS = sorted({case.step for case in CASES})
SEVERITIES = {"critical": "pager", "warning": "tickets"}


def run(*command: str) -> str:
    """Standard output and error; fails with both when the command does."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_accepts_the_rules() -> None:
    run(tool("promtool"), "check", "rules", str(RULES))


def test_promtool_accepts_the_scrape_configuration(tmp_path: Path) -> None:
    """Without the discovery of pods, which Debian's build does not have: that part is Prometheus' own documented form."""
    config = yaml.safe_load(SCRAPE.read_text())
    for job in config["scrape_configs"]:
        assert [d["role"] for d in job.pop("kubernetes_sd_configs")] == ["pod"]
        job["static_configs"] = [{"targets": ["127.0.0.1:1"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    (tmp_path / "rules.yaml").write_text(RULES.read_text())
    run(tool("promtool"), "check", "config", str(tmp_path / "prometheus.yml"))


def judged(
    cases: list[Case], folder: Path, groups: list[dict[str, Any]], step: int, fires: bool = True
) -> None:
    """Each case by these rules, in steps of so many minutes. `fires` False: none of them has to."""
    tests = [
        {
            "name": f"{case.alert}: {case.what}",
            "interval": f"{step}m",
            "input_series": [{"series": series, "values": values} for series, values in case.series],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}})',
                    "eval_time": f"{case.after}m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires and case.fires else [],
                }
            ],
        }
        for case in cases
        if case.step == step
    ]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    wanted = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{step}m",
        # As the server does it at the latest one interval later; promtool would take any order.
        "group_eval_order": [group["name"] for group in groups],
        "tests": tests,
    }
    (folder / "tests.yaml").write_text(yaml.safe_dump(wanted))
    run(tool("promtool"), "test", "rules", str(folder / "tests.yaml"))


@pytest.mark.parametrize("step", STEPS)
def test_each_alert_fires_when_it_should_and_only_then(step: int, tmp_path: Path) -> None:
    judged(list(CASES), tmp_path, yaml.safe_load(RULES.read_text())["groups"], step)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", ["map", "another"])
def test_a_resources_own_alerts_fire_for_it_alone(name: str, step: int, tmp_path: Path) -> None:
    """The cases speak of `map`."""
    groups = Rules(Scope("hogwarts", name)).of_resources()
    own = {rule.get("alert") for group in groups for rule in group["rules"]}
    judged([case for case in CASES if case.alert in own], tmp_path, groups, step, fires=name == "map")


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    wanted = {(rule["alert"], fires) for rule in alerts() for fires in (True, False)}
    assert {(case.alert, case.fires) for case in CASES} == wanted


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_says_how_bad_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["summary"]
    address, section = rule["annotations"]["runbook_url"].split("#")
    assert address == f"docs/{PLAYBOOK.name}"
    anchors = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PLAYBOOK.read_text().splitlines()
        if line.startswith("#")
    }
    assert section in anchors


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_reaches_the_receiver_of_its_severity(rule: dict[str, Any]) -> None:
    labels = [f"{name}={value}" for name, value in rule["labels"].items()]
    run(
        tool("amtool"), "config", "routes", "test", f"--config.file={ROUTES}",
        f"--verify.receivers={SEVERITIES[rule['labels']['severity']]}", f"alertname={rule['alert']}", *labels,
    )  # fmt: skip


def test_amtool_accepts_the_routes() -> None:
    run(tool("amtool"), "check-config", str(ROUTES))


def test_the_rules_are_what_their_source_makes() -> None:
    assert {file: file.read_text() for file in files()} == files(), "run make dashboards"


def test_the_prometheus_rules_are_together_the_rules() -> None:
    """One about the operator, one about all resources: nothing twice, nothing left out."""
    both = [yaml.safe_load(file.read_text())["spec"]["groups"] for file in (RESOURCES, OPERATOR)]
    assert [group for groups in both for group in groups] == yaml.safe_load(RULES.read_text())["groups"]


def test_the_runbooks_address_is_the_installers_to_set() -> None:
    """By default it is a path of the repository, which exists: no made-up address."""
    assert all((ROOT / rule["annotations"]["runbook_url"].split("#")[0]).exists() for rule in alerts())
    for text in files("https://wiki.example/playbook").values():
        urls = re.findall(r"runbook_url: (.*)", text)
        assert urls
        assert all(url.startswith("https://wiki.example/playbook#") for url in urls)


def test_the_dashboards_are_what_their_source_makes() -> None:
    made = run(
        "env", f"PYTHONPATH={ROOT / '.cache' / 'dashboards'}:{os.environ.get('PYTHONPATH', '')}", sys.executable, "-c",
        "from dev.monitoring.dashboards import files; import json;"
        "print(json.dumps({str(file): text for file, text in files().items()}))",
    )  # fmt: skip
    wanted = json.loads(made)
    assert {file: Path(file).read_text() for file in wanted} == wanted, "run make dashboards"
    assert {str(file) for file in (MONITORING / "grafana").glob("*.json")} < set(wanted)


def test_the_dashboards_keep_their_uids() -> None:
    """Links, bookmarks and an Argo CD that compares hold on to them."""
    uids = {json.loads(f.read_text())["uid"] for f in (MONITORING / "grafana").glob("*.json")}
    assert uids == {"marauders-map-api", "marauders-map-operator", "marauders-map-resource"}


def test_selectors_are_found_in_expressions() -> None:
    assert selectors(
        'sum by (le, a) (rate(x_bucket{p!~"/a.*|b", s="and"}[5m])) > 0.5 or on (job) time() - y_seconds'
    ) == [
        'x_bucket{p!~"/a.*|b", s="and"}',
        "y_seconds",
    ]
