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
    unknown: Collection[str] = (),
) -> Iterator[Manifest]:
    """What pods need before they start, in the order in which they need it. `redis`: which Redis the revisions read.
    `unknown`, here and below: parts of the spec that are not understood; nothing is made of them."""
    yield children.service_account(owner)
    if not {"database", "networkPolicy"} & {*unknown}:
        yield from children.evaluation_objects(owner, spec, images)
    if not {"cache", "networkPolicy"} & {*unknown}:
        yield from children.evaluation_cache(owner, spec, images, redis)
    for config_map in config_maps.values():
        yield children.config_map_copy(owner, config_map)
    if "networkPolicy" not in unknown:
        yield from _present(children.network_policy(owner, spec, operator_namespace))


def routing(
    owner: Owner, spec: MaraudersMapSpec, serving: str, unknown: Collection[str] = ()
) -> Iterator[Manifest]:
    """What points at the serving revision: the Service first, since it is what users notice. Empty: none."""
    if "service" not in unknown:
        yield children.service(owner, spec, serving or None)
    if "availability" not in unknown:
        yield from _present(children.disruption_budget(owner, spec, serving or None))


def surroundings(
    owner: Owner,
    spec: MaraudersMapSpec,
    autoscaled: Autoscaled,
    preview: str,
    unknown: Collection[str] = (),
) -> Iterator[Manifest]:
    """What stands around the revisions. `preview`: the revision of the preview Service; empty: none."""
    if "autoscaling" not in unknown:
        scaler = children.autoscaler(
            owner, spec, autoscaled.revision or None, least=autoscaled.least, held=autoscaled.held
        )
        yield from _present(scaler)
    if "service" not in unknown:
        yield children.preview_service(owner, spec, preview or None)
    if "ingress" not in unknown:
        yield from _present(children.ingress(owner, spec))


def _present(manifest: Manifest | None) -> Iterator[Manifest]:
    if manifest is not None:
        yield manifest
