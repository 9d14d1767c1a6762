"""The example for the OpenTelemetry Collector ships what real pods write: a real collector reads their lines as files.

The pods are asked of the real API server; the files are laid as the kubelet lays them, outside of the node.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev.cluster.host import go_tools
from dev.cluster.host.paths import CHECKOUT
from dev.kube import Kubectl, wait_for
from tests.cluster import budgets
from tests.cluster.scenario import NAME, Scenario

pytestmark = pytest.mark.extended

Object = dict[str, Any]
EXAMPLE = CHECKOUT / "manifests" / "monitoring" / "logs" / "otel-collector.yaml"
TRACE = "0af7651916cd43dd8448eb211c80319c"
# A request that succeeds, and one that finds nothing and is of level *warn*.
ASK = f"""
import http.client
for path in ("/health/live", "/nothing"):
    asked = http.client.HTTPConnection("127.0.0.1", 4001)
    asked.request("GET", path, headers={{"traceparent": "00-{TRACE}-b7ad6b7169203331-01"}})
    asked.getresponse().read()
"""
SEVERITY = {"debug": 5, "info": 9, "warn": 13, "warning": 13, "error": 17}
"""Of OpenTelemetry, by the word that one of our programs has for it."""


class Sink(ThreadingHTTPServer):
    """Takes what an exporter sends, as JSON."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.batches: list[Object] = []

    def lines(self) -> list[tuple[Object, Object]]:
        """Each record, with the attributes of its pod."""
        return [
            (attributes(resource["resource"]), record)
            for batch in self.batches
            for resource in batch["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]


class Taker(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.batches.append(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
        """Nothing."""


def attributes(of: Object) -> Object:
    """As a dictionary, without the types."""
    return {pair["key"]: plain(pair["value"]) for pair in of.get("attributes", [])}


def plain(value: Object) -> Any:
    for kind, held in value.items():
        return {p["key"]: plain(p["value"]) for p in held["values"]} if kind == "kvlistValue" else held
    return None


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def laid(kubectl: Kubectl, pod: Object, container: str, folder: Path) -> list[str]:
    """The container's lines in a file, as the kubelet lays it; the lines."""
    meta = pod["metadata"]
    where = ("-n", meta["namespace"], "logs", meta["name"], "-c", container, "--timestamps")
    stamped = [line.partition(" ") for line in kubectl(*where).splitlines()]
    file = folder / f"{meta['namespace']}_{meta['name']}_{meta['uid']}" / container / "0.log"
    file.parent.mkdir(parents=True)
    file.write_text("".join(f"{at} stdout F {line}\n" for at, _, line in stamped), encoding="utf-8")
    return [line for _, _, line in stamped]


def await_all(sink: Sink, lines: int, process: subprocess.Popen[bytes]) -> None:
    def shipped() -> bool | None:
        assert process.poll() is None, "the collector has ended"
        return len(sink.lines()) >= lines or None

    wait_for(shipped, f"{lines} lines shipped", seconds=budgets.HEALED)


@contextmanager
def collector(
    kubectl: Kubectl, pods: Path, sink: Sink, folder: Path, output: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """It runs with the example, and with what is different outside of a cluster. Its output is shown when this fails."""
    different = {
        "receivers": {"file_log": {"include": [f"{pods}/*/*/*.log"], "start_at": "beginning"}},
        "processors": {"k8s_attributes": {"auth_type": "kubeConfig", "filter": {"node_from_env_var": ""}}},
        "exporters": {
            "otlp_http": {"endpoint": f"http://127.0.0.1:{sink.server_port}", "encoding": "json", "compression": "none"}
        },
        "service": {"telemetry": {"metrics": {"level": "none"}}},
    }  # fmt: skip
    (folder / "different.yaml").write_text(yaml.safe_dump(different), encoding="utf-8")
    command = [str(go_tools.collector()), f"--config={EXAMPLE}", f"--config={folder / 'different.yaml'}"]
    with output.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, "KUBECONFIG": kubectl.kubeconfig}
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(budgets.NOTICED)
        print(output.read_text(encoding="utf-8"))


def test_the_collector_ships_every_line_of_the_api_and_the_operator_and_no_other(
    small: Scenario, kubectl: Kubectl, operator: str, sink: Sink, tmp_path: Path
) -> None:
    small.is_ready()
    api = small.find_all("pods", f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=api")[0]
    small.do("exec", api["metadata"]["name"], "-c", "api", "--", "python3", "-c", ASK)
    # One of them leads; the others may have nothing to report.
    operators = kubectl.json(
        "-n", operator, "get", "pods", "-l", "app.kubernetes.io/name=maraudersmap-operator"
    )["items"]
    [dns, *_] = kubectl.json("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns")["items"]
    pods = tmp_path / "pods"
    written = laid(kubectl, api, "api", pods)
    steered = [line for runs in operators for line in laid(kubectl, runs, "operator", pods)]
    assert laid(kubectl, dns, "coredns", pods)
    # when
    output = tmp_path / "collector.log"
    with collector(kubectl, pods, sink, tmp_path, output) as process:
        await_all(sink, len(written) + len(steered), process)
    # then all of them came, and nothing of another program
    shipped = sink.lines()
    assert {pod["app"] for pod, _ in shipped} == {"maraudersmap", "maraudersmap-operator"}
    of_the_api = [record for pod, record in shipped if pod["k8s.pod.name"] == api["metadata"]["name"]]
    of_the_operator = [
        record
        for runs in operators
        for pod, record in shipped
        if pod["k8s.pod.name"] == runs["metadata"]["name"]
    ]
    assert len(of_the_api) == len(written)
    assert len(of_the_operator) == len(steered)
    # and each is what was written: time, level, message, and the rest by name
    for line, record in zip(written + steered, of_the_api + of_the_operator, strict=True):
        wanted = json.loads(line)
        assert record["body"] == {"stringValue": wanted["message"]}
        assert (record["severityText"], record["severityNumber"]) == (
            wanted["level"],
            SEVERITY[wanted["level"]],
        )
        at = datetime.fromisoformat(wanted["timestamp"]).timestamp()
        assert abs(int(record["timeUnixNano"]) / 1e9 - at) < 1e-5
        assert wanted.keys() <= attributes(record).keys()
    pod = next(pod for pod, _ in shipped if pod["app"] == "maraudersmap")
    assert (pod["k8s.namespace.name"], pod["component"], pod["maraudersmap"]) == (
        small.namespace,
        "api",
        NAME,
    )
    # and a request that came with a trace is found by it
    traced = [
        r for r in of_the_api if r.get("traceId") == TRACE and r["body"]["stringValue"] == "Request completed"
    ]
    assert [r["severityText"] for r in traced] == ["info", "warn"]
    # and it has nothing to say against the example
    assert not re.findall(r"\t(?:warn|error)\t.*", output.read_text(encoding="utf-8"))
