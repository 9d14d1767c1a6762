"""Spec in, every object out. A case is one file: `input` and the `objects` it must give, in order.

`UPDATE_GOLDEN=1 pytest tests/unit/operator/children` writes what the builders give now; review reads the diff.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from maraudersmap_operator import children
from maraudersmap_operator.children import Images, Manifest, Owner
from maraudersmap_operator.resource import parse

CASES = sorted((Path(__file__).parent / "golden").glob("*.yaml"))
IMAGES = Images(postgres="postgres:16", redis="redis:7")
REVISION = "bcdfgh24"


class PlainDumper(yaml.SafeDumper):
    """Without anchors: each object stands for itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def every_object(given: dict[str, Any]) -> list[Manifest]:
    """All children of the resource in `given`, with one revision serving and none on trial."""
    resource = parse(given)
    spec = resource.spec
    owner = Owner(resource.name, resource.namespace, resource.uid)
    copies = {
        ref.name: children.names.config_map_copy(owner.name, "0123456789")
        for ref in children.referenced_config_maps(spec)
    }
    template = children.pod_template(owner, spec, REVISION, copies)
    evaluation = spec.database.evaluation is not None
    objects: list[Manifest | None] = [
        children.service_account(owner),
        children.application_secret(
            owner,
            jwt_secret="generated-key" if spec.jwt_secret is None else None,
            database_url=children.evaluation_url(owner, "p@ss/word") if evaluation else None,
        )
        if children.generated_keys(spec)
        else None,
        children.evaluation_secret(owner, spec, "p@ss/word") if evaluation else None,
        children.cache_access(owner, "p4ssw0rd") if spec.cache.run_here else None,
        *children.evaluation_objects(owner, spec, IMAGES),
        *children.evaluation_cache(owner, spec, IMAGES),
        children.controller_revision(owner, REVISION, 1, template, spec.image, inputs={"image": spec.image}),
        children.job(owner, spec, REVISION, 1, template) if spec.migrations.enabled else None,
        children.deployment(owner, REVISION, template),
        children.service(owner, spec, REVISION),
        children.preview_service(owner, spec, None),
        children.autoscaler(owner, spec, REVISION),
        children.disruption_budget(owner, spec, REVISION),
        children.network_policy(owner, spec),
        children.ingress(owner, spec),
        children.http_route(owner, spec, weight=0),
        children.pod_monitor(owner, spec),
        _shortened(children.prometheus_rule(owner, spec)),
        _shortened(children.dashboard(owner, spec)),
    ]
    return [manifest for manifest in objects if manifest is not None]


def _shortened(manifest: Manifest | None) -> Manifest | None:
    """The names of what is in it: rules and dashboards have tests of their own (tests/monitoring)."""
    if manifest is None:
        return None
    if "data" in manifest:
        return {**manifest, "data": sorted(manifest["data"])}
    groups = [
        {group["name"]: [rule.get("alert") or rule["record"] for rule in group["rules"]]}
        for group in manifest["spec"]["groups"]
    ]
    return {**manifest, "spec": {"groups": groups}}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_resource_gives_exactly_these_objects(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    objects = every_object(case["input"])

    if os.environ.get("UPDATE_GOLDEN"):
        title = path.read_text().splitlines()[0]
        text = yaml.dump(
            {"input": case["input"], "objects": objects}, Dumper=PlainDumper, sort_keys=False, width=110
        )
        path.write_text(f"{title}\n{text}")
        case["objects"] = objects

    assert objects == case.get("objects"), "run with UPDATE_GOLDEN=1 and review the difference"
