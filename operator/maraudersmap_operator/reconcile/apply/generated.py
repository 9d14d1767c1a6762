"""Secrets that the operator generates, once; values that exist are never rewritten."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Conflict, Manifest
from maraudersmap_operator.cluster.kinds import SECRET
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.names import Component

from ..status.fates import Fate, State
from .child_writer import obstacle_to

JWT_SECRET_BYTES = 48
PASSWORD_BYTES = 24


async def ensure_generated_secrets(
    cluster: Cluster, owner: Owner, spec: MaraudersMapSpec, redis: Collection[str]
) -> list[Fate]:
    """The fate of each Secret. `redis`: which Redis the revisions read. Raises ClusterError."""
    fates = await _application_secrets(cluster, owner, spec)
    if spec.cache.run_here is not None and {Component.CACHE, Component.LIMITS} & set(redis):
        fates.append(await _cache_access(cluster, owner))
    return fates


async def _application_secrets(cluster: Cluster, owner: Owner, spec: MaraudersMapSpec) -> list[Fate]:
    """The application Secret repeats the password that the database Secret holds, so the latter comes first: a database
    kept from an earlier life keeps its password.
    """
    fates: list[Fate] = []
    url = None
    if spec.database.evaluation is not None:
        name = children.names.postgres(owner.name)
        fresh = children.evaluation_secret(owner, spec, secrets.token_urlsafe(PASSWORD_BYTES))
        stored = await _get_or_create(cluster, owner.namespace, name, fresh)
        fates.append(_fate(stored, owner, kept=children.keeps_data(spec)))
        password = _value(stored, children.PASSWORD_KEY)
        if fates[-1].state is not State.AS_WANTED:
            return fates
        if password is None:
            return [Fate("Secret", name, State.REFUSED, _keyless(children.PASSWORD_KEY))]
        url = children.evaluation_url(owner, password)
    if not children.needs_application_secret(spec):
        return fates
    key = secrets.token_urlsafe(JWT_SECRET_BYTES)
    wanted = children.application_secret(owner, jwt_secret=key, database_url=url)
    stored = await _get_or_create(cluster, owner.namespace, wanted["metadata"]["name"], wanted)
    fates.append(_fate(stored, owner, kept=False))
    # The database became the operator's own after the Secret was made, or someone has removed a key.
    await _complete(cluster, fates[-1], stored, wanted)
    return fates


async def _cache_access(cluster: Cluster, owner: Owner) -> Fate:
    fresh = children.cache_access(owner, secrets.token_urlsafe(PASSWORD_BYTES))
    stored = await _get_or_create(cluster, owner.namespace, fresh["metadata"]["name"], fresh)
    fate = _fate(stored, owner, kept=False)
    # Someone has removed a key: what runs has the password that the others still hold.
    urls = (_value(stored, key) or "" for key in (children.CACHE_URL_KEY, children.LIMITS_URL_KEY))
    known = (_value(stored, children.REDIS_PASSWORD_KEY), *(urlsplit(url).password for url in urls))
    password = next((p for p in known if p), None)
    await _complete(cluster, fate, stored, children.cache_access(owner, password) if password else fresh)
    return fate


async def _complete(cluster: Cluster, fate: Fate, stored: Manifest, wanted: Manifest) -> None:
    """Add the keys that a Secret of ours lacks."""
    missing = {k: v for k, v in wanted["stringData"].items() if k not in (stored.get("data") or {})}
    if missing and fate.state is State.AS_WANTED and "data" in stored:
        meta = stored["metadata"]
        await cluster.merge(SECRET, meta["namespace"], meta["name"], {"stringData": missing})


async def _get_or_create(cluster: Cluster, namespace: str, name: str, fresh: Manifest) -> Manifest:
    stored = await cluster.get(SECRET, namespace, name)
    if stored is not None:
        return stored
    try:
        created = await cluster.create(fresh)
    except Conflict:
        # Created between the two calls: the first one is right.
        stored = await cluster.get(SECRET, namespace, name)
        if stored is None:
            raise  # and gone again: one of an earlier resource, whose value no one may rely on
        return stored
    return {**fresh, **created}


def _fate(stored: Manifest, owner: Owner, kept: bool) -> Fate:
    name = stored["metadata"]["name"]
    obstacle = obstacle_to({**stored, "kind": "Secret"}, owner, kept)
    return Fate("Secret", name, *obstacle) if obstacle else Fate("Secret", name, State.AS_WANTED)


def _value(secret: Manifest, key: str) -> str | None:
    """The value; None when the Secret has no such key, or what it has is no text."""
    try:
        return base64.b64decode(secret["data"][key], validate=True).decode()
    except KeyError:
        return (secret.get("stringData") or {}).get(key)
    except ValueError:
        return None


def _keyless(key: str) -> str:
    return (
        f"it has no readable key {key!r}, which the evaluation database was made with: put it back, or delete the "
        "Secret together with the database's data"
    )
