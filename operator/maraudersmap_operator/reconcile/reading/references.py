"""What users point to by name: Secrets and ConfigMaps.

Secrets are neither listed nor watched here: each is read by its name, so the operator's rights end at `get`. What could not
be read is unknown, which is neither "missing" nor "changed".
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, ClusterError, Kind, Manifest, version_of
from maraudersmap_operator.cluster.kinds import CONFIG_MAP, SECRET
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.rollout import Need

from .live_reads import in_time


@dataclass(frozen=True, slots=True)
class References:
    """What was found. `config_maps`: the user's ConfigMaps by name. `secrets`: a short digest of each Secret that pods read;
    empty for one that is not there or could not be read.

    `complete`: every ConfigMap that the spec names was read, so it is known which revision the spec asks for. `asked`: they
    were read, or refused to be. `versions`: of everything named, by kind and name; empty for what there is not, None for what
    could not be read. A change of nothing but a version (of a label, say) changes nothing for the pods.
    """

    need: Need
    config_maps: dict[str, Manifest] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    complete: bool = True
    asked: bool = True
    versions: dict[tuple[Kind, str], str | None] = field(default_factory=dict, compare=False)


NOT_READ_YET = References(
    Need(False, Reason.REFERENCES_UNREAD, "what the spec refers to has yet to be read"),
    complete=False,
    asked=False,
)


def without_references(spec: MaraudersMapSpec) -> bool:
    """Nothing has to be read to know what the spec asks for."""
    return not children.referenced_secrets(spec) and not children.referenced_config_maps(spec)


async def read_references(cluster: Cluster, owner: Owner, spec: MaraudersMapSpec) -> References:
    """Read everything the spec names; the first thing missing is reported with the field that names it. Raises nothing of
    the cluster's."""
    problem: Need | None = None
    secrets: dict[str, Manifest | None] = {}
    versions: dict[tuple[Kind, str], str | None] = {}
    pulled = {p.name for p in spec.pull_secrets}
    fed = {s.name for s in children.referenced_secrets(spec) if s.key is not None}
    for secret in children.referenced_secrets(spec):
        if secret.name not in secrets:
            versions[SECRET, secret.name] = None
            try:
                secrets[secret.name] = await in_time(cluster.get(SECRET, owner.namespace, secret.name))
            except ClusterError as error:
                problem = problem or _unread(f"Secret {secret.name!r}", secret.field, error)
                continue
        if secret.name not in secrets:
            continue
        data = secrets[secret.name]
        versions[SECRET, secret.name] = version_of(data)
        if data is None:
            problem = problem or _missing(Reason.SECRET_NOT_FOUND, f"Secret {secret.name!r}", secret.field)
        elif secret.key and secret.key not in (data.get("data") or {}):
            what = f"key {secret.key!r} of Secret {secret.name!r}"
            problem = problem or _missing(Reason.SECRET_KEY_NOT_FOUND, what, secret.field)
    # Nodes read pull secrets when they pull: pods that run have no use for a new one.
    digests = {
        name: secret_digest(owner, data) if (data := secrets.get(name)) is not None else ""
        for _, name in versions
        if name in fed or name not in pulled
    }
    config_maps, lacking, complete = await _config_maps(cluster, owner, spec, versions)
    problem = problem or lacking
    return References(problem or Need(True, Reason.READY), config_maps, digests, complete, versions=versions)


async def _config_maps(
    cluster: Cluster, owner: Owner, spec: MaraudersMapSpec, versions: dict[tuple[Kind, str], str | None]
) -> tuple[dict[str, Manifest], Need | None, bool]:
    """What was found, the first problem, and whether everything was read. `versions` gets those that were."""
    found: dict[str, Manifest] = {}
    problem: Need | None = None
    complete = True
    for ref in children.referenced_config_maps(spec):
        if ref.name not in found:
            versions[CONFIG_MAP, ref.name] = None
            try:
                config_map = await in_time(cluster.get(CONFIG_MAP, owner.namespace, ref.name))
            except ClusterError as error:
                problem, complete = problem or _unread(f"ConfigMap {ref.name!r}", ref.field, error), False
                continue
            versions[CONFIG_MAP, ref.name] = version_of(config_map)
            if config_map is None:
                what = f"ConfigMap {ref.name!r}"
                problem, complete = problem or _missing(Reason.CONFIG_MAP_NOT_FOUND, what, ref.field), False
                continue
            found[ref.name] = config_map
        content = {**(found[ref.name].get("data") or {}), **(found[ref.name].get("binaryData") or {})}
        if ref.key and ref.key not in content:
            what = f"key {ref.key!r} of ConfigMap {ref.name!r}"
            # Known, and not what pods can start with: a change of the ConfigMap that someone is in the middle of.
            problem, complete = problem or _missing(Reason.CONFIG_MAP_KEY_NOT_FOUND, what, ref.field), False
    return found, problem, complete


def generated_values(owner: Owner, spec: MaraudersMapSpec) -> tuple[str, ...]:
    """The values that the operator generates for the API's pods, as "<Secret>/<key>": they have digests of their own, since a
    key that is added changes nothing for pods that do not read it."""
    secret = children.names.application_secret(owner.name)
    return tuple(f"{secret}/{key}" for key in children.generated_keys(spec))


def secret_digest(owner: Owner, secret: Manifest) -> str:
    """Six hex digits over the content: enough to see a change, too little to try passwords against; salted, so that the
    same password in two namespaces does not show."""
    content = json.dumps(secret.get("data") or {}, sort_keys=True)
    return hmac.new(owner.uid.encode(), content.encode(), hashlib.sha256).hexdigest()[:6]


def _missing(reason: Reason, what: str, where: str) -> Need:
    return Need(
        False,
        reason,
        f"{what} does not exist in this namespace; {where} names it. Create it, or correct the name",
    )


def _unread(what: str, where: str, error: ClusterError) -> Need:
    return Need(
        False, Reason.REFERENCES_UNREAD, f"{what} could not be read ({error.message}); {where} names it"
    )
