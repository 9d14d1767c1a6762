"""A URL of a user's does not lead the operator to where the user has no business."""

from __future__ import annotations

import pytest

from maraudersmap_operator.cluster.reach import refusal


@pytest.mark.parametrize(
    "url",
    [
        "http://prometheus.monitoring.svc:9090",
        "http://prometheus.monitoring.svc.cluster.local:9090/prefix",
        "http://own.demo.svc",
        "https://PROMETHEUS.monitoring.svc.",
    ],
)
def test_services_of_allowed_namespaces_may_be_asked(url: str) -> None:
    assert refusal(url, "demo", ("monitoring",)) == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://169.254.169.254/latest", "<service>.<namespace>.svc"),
        ("http://127.0.0.1:9090", "<service>.<namespace>.svc"),
        ("http://[::1]:9090", "<service>.<namespace>.svc"),
        ("http://2852039166/", "<service>.<namespace>.svc"),
        ("http://localhost:8080", "<service>.<namespace>.svc"),
        ("http://metadata.google.internal", "<service>.<namespace>.svc"),
        ("http://prometheus.example.com", "<service>.<namespace>.svc"),
        ("http://svc.svc", "<service>.<namespace>.svc"),
        ("http://kubernetes.default.svc", "PROMETHEUS_NAMESPACES"),
        ("http://prometheus.kube-system.svc.cluster.local", "PROMETHEUS_NAMESPACES"),
    ],
)
def test_everything_else_is_refused_with_the_remedy(url: str, words: str) -> None:
    assert words in refusal(url, "demo", ("monitoring",))
