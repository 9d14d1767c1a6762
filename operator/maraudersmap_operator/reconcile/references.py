"""What users point to by name, Secrets and ConfigMaps, and what the operator generates for itself.

Nobody lists or watches Secrets here: each is read by its name, so the operator's rights end at `get`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Conflict, Manifest
from maraudersmap_operator.cluster.kinds import CONFIG_MAP, SECRET
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.rollout import Need

JWT_SECRET_BYTES = 48
PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class References:
    """What was found. `config_maps`: the user's ConfigMaps by name. `secrets`: a short digest of each of their Secrets."""

    need: Need
    config_maps: dict[str, Manifest] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


async def read_references(cluster: Cluster, owner: Owner, spec: MaraudersMapSpec) -> References:
    """Read everything the spec names; the first thing missing is told with the field that names it."""
    found: dict[tuple[str, str], Manifest | None] = {}
    for secret in children.referenced_secrets(spec):
        if ("Secret", secret.name) not in found:
            found["Secret", secret.name] = await cluster.get(SECRET, owner.namespace, secret.name)
        data = found["Secret", secret.name]
        if data is None:
            return References(_missing("SecretNotFound", f"Secret {secret.name!r}", secret.field))
        if secret.key and secret.key not in (data.get("data") or {}):
            what = f"key {secret.key!r} of Secret {secret.name!r}"
            return References(_missing("SecretKeyNotFound", what, secret.field))
    digests = {name: secret_digest(owner, data) for (_, name), data in found.items() if data is not None}
    config_maps: dict[str, Manifest] = {}
    for ref in children.referenced_config_maps(spec):
        if ref.name not in config_maps:
            config_map = await cluster.get(CONFIG_MAP, owner.namespace, ref.name)
            if config_map is None:
                return References(
                    _missing("ConfigMapNotFound", f"ConfigMap {ref.name!r}", ref.field), config_maps
                )
            config_maps[ref.name] = config_map
        content = {
            **(config_maps[ref.name].get("data") or {}),
            **(config_maps[ref.name].get("binaryData") or {}),
        }
        if ref.key and ref.key not in content:
            what = f"key {ref.key!r} of ConfigMap {ref.name!r}"
            return References(_missing("ConfigMapKeyNotFound", what, ref.field), config_maps)
    return References(Need(True, "Found"), config_maps, digests)


def secret_digest(owner: Owner, secret: Manifest) -> str:
    """Six hex digits over the content: enough to see a change, too little to try passwords against; salted, so that the
    same password in two namespaces does not show."""
    content = json.dumps(secret.get("data") or {}, sort_keys=True)
    return hmac.new(owner.uid.encode(), content.encode(), hashlib.sha256).hexdigest()[:6]


def _missing(reason: str, what: str, where: str) -> Need:
    return Need(
        False,
        reason,
        f"{what} does not exist in this namespace; {where} names it. Create it, or correct the name",
    )


async def ensure_generated_secrets(cluster: Cluster, owner: Owner, spec: MaraudersMapSpec) -> None:
    """Create the Secrets that the operator generates, once; values that exist are never rewritten.

    The application Secret repeats the password that the database Secret holds, so the latter comes first: a database
    kept from an earlier life keeps its password.
    """
    url = None
    if spec.database.evaluation is not None:
        name = children.names.postgres(owner.name)
        fresh = children.evaluation_secret(owner, spec, secrets.token_urlsafe(PASSWORD_BYTES))
        stored = await _get_or_create(cluster, owner.namespace, name, fresh)
        url = children.evaluation_url(owner, _value(stored, children.PASSWORD_KEY))
    if not children.needs_application_secret(spec):
        return
    key = secrets.token_urlsafe(JWT_SECRET_BYTES)
    wanted = children.application_secret(owner, jwt_secret=key, database_url=url)
    name = children.names.application_secret(owner.name)
    stored = await _get_or_create(cluster, owner.namespace, name, wanted)
    missing = {k: v for k, v in wanted["stringData"].items() if k not in (stored.get("data") or {})}
    if missing:
        # The database became the operator's own after the Secret was made.
        await cluster.merge(SECRET, owner.namespace, name, {"stringData": missing})


async def _get_or_create(cluster: Cluster, namespace: str, name: str, fresh: Manifest) -> Manifest:
    stored = await cluster.get(SECRET, namespace, name)
    if stored is not None:
        return stored
    try:
        return await cluster.create(fresh)
    except Conflict:
        # Created between the two calls: whoever was first is right.
        return await cluster.get(SECRET, namespace, name) or fresh


def _value(secret: Manifest, key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()
