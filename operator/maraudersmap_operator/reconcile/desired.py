"""Every child that should be there, apart from those that only the rollout engine makes and removes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from maraudersmap_operator import children
from maraudersmap_operator.children import Images, Manifest, Owner
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.rollout import Autoscaled


def foundation(
    owner: Owner,
    spec: MaraudersMapSpec,
    images: Images,
    config_maps: Mapping[str, Manifest],
    operator_namespace: str,
    redis: Collection[str] = children.READ_BY_NEW_REVISIONS,
) -> Iterator[Manifest]:
    """What pods need before they start, in the order in which they need it. `redis`: which Redis the revisions read."""
    yield children.service_account(owner)
    yield from children.evaluation_objects(owner, spec, images)
    yield from children.evaluation_cache(owner, spec, images, redis)
    for config_map in config_maps.values():
        yield children.config_map_copy(owner, config_map)
    yield from _present(children.network_policy(owner, spec, operator_namespace))


def routing(owner: Owner, spec: MaraudersMapSpec, serving: str) -> Iterator[Manifest]:
    """What points at the serving revision: the Service first, since it is what users notice. Empty: none."""
    yield children.service(owner, spec, serving or None)
    yield from _present(children.disruption_budget(owner, spec, serving or None))


def surroundings(
    owner: Owner, spec: MaraudersMapSpec, autoscaled: Autoscaled, preview: str
) -> Iterator[Manifest]:
    """What stands around the revisions. `preview`: the revision of the preview Service; empty: none."""
    scaler = children.autoscaler(
        owner, spec, autoscaled.revision or None, least=autoscaled.least, held=autoscaled.held
    )
    yield from _present(scaler)
    yield children.preview_service(owner, spec, preview or None)
    yield from _present(children.ingress(owner, spec))


def _present(manifest: Manifest | None) -> Iterator[Manifest]:
    if manifest is not None:
        yield manifest
