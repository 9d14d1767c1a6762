"""What a user may write, and how the definition of the resource states it."""

import pytest
from pydantic import ValidationError
from tests.unit.operator.analysis.given import analysis

from maraudersmap_operator.resource.analysis import Analysis, OnInconclusive
from maraudersmap_operator.resource.crd import structural
from maraudersmap_operator.resource.status_analysis import Comparison

QUERY = {"name": "queue", "query": "sum(queue)", "max": 10}


def prometheus(**fields: object) -> dict[str, object]:
    return {"prometheus": {"url": "http://prometheus.monitoring.svc:9090", "queries": [QUERY], **fields}}


def test_the_defaults() -> None:
    policy = Analysis()
    assert (policy.enabled, policy.interval_seconds, policy.min_requests) == (True, 5, 50)
    assert policy.on_inconclusive is OnInconclusive.PASS
    assert (policy.error_rate.max_increase_percent, policy.error_rate.max_percent) == (2.0, None)
    assert (policy.latency.quantile, policy.latency.max_ratio, policy.latency.max_seconds) == (
        0.95,
        2.0,
        None,
    )
    assert policy.prometheus is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"intervalSeconds": 0}, "greater than or equal to 1"),
        ({"minRequests": 9}, "greater than or equal to 10"),
        ({"latency": {"maxRatio": 1.0}}, "greater than or equal to 1.1"),
        ({"latency": {"maxSeconds": 0}}, "greater than 0"),
        ({"errorRate": {"maxPercent": 101}}, "less than or equal to 100"),
        ({"onInconclusive": "Shrug"}, "'Pass', 'Pause' or 'Fail'"),
        (prometheus(queries=[]), "at least 1 item"),
        (prometheus(queries=[QUERY] * 11), "at most 10 items"),
        (prometheus(queries=[QUERY, QUERY]), "two of prometheus.queries have the same name"),
        (prometheus(queries=[{"name": "queue", "query": "x"}]), "give the query a bound: max, min or both"),
        (prometheus(queries=[QUERY | {"min": 11}]), "min is above max"),
        (prometheus(url="http://me:secret@prometheus:9090"), "must not carry a user name or password"),
        (prometheus(url="ftp://prometheus"), "should match pattern"),
        (prometheus(url="http://prometheus/?x=1"), "should match pattern"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        analysis(**given)


def test_the_definition_can_say_all_of_it() -> None:
    spec, status = structural(Analysis), structural(Comparison)
    assert spec["properties"]["latency"]["properties"]["maxSeconds"] == {
        "description": spec["properties"]["latency"]["properties"]["maxSeconds"]["description"],
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 3600,
    }
    assert spec["properties"]["errorRate"]["default"] == {}
    assert status["properties"]["trial"]["properties"]["buckets"]["maxItems"] == 12
