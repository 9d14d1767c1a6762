"""Secrets that the operator generates, once; values that exist are never rewritten.

One that someone has deleted is made again. The password of the database is known from its URL in the other Secret; the key
that tokens are signed with is known to no one, so pods have to be exchanged for a new one: its digest shows that.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Conflict, Manifest
from maraudersmap_operator.cluster.kinds import SECRET
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.names import Component

from ..reading.references import generated_values, secret_digest
from ..status.fates import Fate, State
from .child_writer import obstacle_to

JWT_SECRET_BYTES = 48
PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Generated:
    """`fates`: one for each Secret. `digests`: of the values that the API's pods read, by "<Secret>/<key>", as far as they
    could be read."""

    fates: list[Fate]
    digests: dict[str, str] = field(default_factory=dict)


async def ensure_generated_secrets(
    cluster: Cluster, owner: Owner, spec: MaraudersMapSpec, redis: Collection[str]
) -> Generated:
    """`redis`: which Redis the revisions read. Raises ClusterError."""
    made = await _application_secrets(cluster, owner, spec)
    if spec.cache.run_here is not None and {Component.CACHE, Component.LIMITS} & set(redis):
        made.fates.append(await _cache_access(cluster, owner))
    return made


async def _application_secrets(cluster: Cluster, owner: Owner, spec: MaraudersMapSpec) -> Generated:
    """The application Secret repeats the password that the database Secret holds, so the latter comes first: a database
    kept from an earlier life keeps its password.
    """
    fates: list[Fate] = []
    url = None
    if spec.database.evaluation is not None:
        stored = await _database_secret(cluster, owner, spec)
        fates.append(_fate(stored, owner, kept=children.keeps_data(spec)))
        password = _value(stored, children.PASSWORD_KEY)
        if fates[-1].state is not State.AS_WANTED:
            return Generated(fates)
        if password is None:
            name = children.names.postgres(owner.name)
            return Generated([Fate("Secret", name, State.REFUSED, _keyless(children.PASSWORD_KEY))])
        url = children.evaluation_url(owner, password)
    if not children.generated_keys(spec):
        return Generated(fates)
    key = secrets.token_urlsafe(JWT_SECRET_BYTES)
    wanted = children.application_secret(owner, jwt_secret=key, database_url=url)
    stored = await _get_or_create(cluster, owner.namespace, wanted["metadata"]["name"], wanted)
    fates.append(_fate(stored, owner, kept=False))
    # The database became the operator's own after the Secret was made, or someone has removed a key.
    stored = await _complete(cluster, fates[-1], stored, wanted)
    if fates[-1].state is not State.AS_WANTED:
        return Generated(fates)
    values = {name: _value(stored, name.rsplit("/", 1)[-1]) for name in generated_values(owner, spec)}
    return Generated(
        fates, {n: secret_digest(owner, {"data": {n: v}}) for n, v in values.items() if v is not None}
    )


async def _database_secret(cluster: Cluster, owner: Owner, spec: MaraudersMapSpec) -> Manifest:
    """With the password that is in use where it, or its key, was lost."""
    name = children.names.postgres(owner.name)
    stored = await cluster.get(SECRET, owner.namespace, name)
    if stored is not None and children.PASSWORD_KEY in (stored.get("data") or {}):
        return stored
    known = await _password_in_use(cluster, owner)
    fresh = children.evaluation_secret(owner, spec, known or secrets.token_urlsafe(PASSWORD_BYTES))
    if stored is None:
        return await _get_or_create(cluster, owner.namespace, name, fresh)
    if known is None:
        return stored
    return await _complete(cluster, _fate(stored, owner, kept=children.keeps_data(spec)), stored, fresh)


async def _password_in_use(cluster: Cluster, owner: Owner) -> str | None:
    """What the application's Secret of ours has as the database's password."""
    name = children.names.application_secret(owner.name)
    stored = await cluster.get(SECRET, owner.namespace, name)
    if stored is None or _fate(stored, owner, kept=False).state is not State.AS_WANTED:
        return None
    url = _value(stored, children.DATABASE_URL_KEY) or ""
    password = _password_of(url)
    # Someone may have put the URL of another database there.
    return password if password and url == children.evaluation_url(owner, password) else None


async def _cache_access(cluster: Cluster, owner: Owner) -> Fate:
    fresh = children.cache_access(owner, secrets.token_urlsafe(PASSWORD_BYTES))
    stored = await _get_or_create(cluster, owner.namespace, fresh["metadata"]["name"], fresh)
    fate = _fate(stored, owner, kept=False)
    # Someone has removed a key: what runs has the password that the others still hold.
    urls = (_value(stored, key) or "" for key in (children.CACHE_URL_KEY, children.LIMITS_URL_KEY))
    known = (_value(stored, children.REDIS_PASSWORD_KEY), *map(_password_of, urls))
    password = next((p for p in known if p), None)
    await _complete(cluster, fate, stored, children.cache_access(owner, password) if password else fresh)
    return fate


async def _complete(cluster: Cluster, fate: Fate, stored: Manifest, wanted: Manifest) -> Manifest:
    """Add the keys that a Secret of ours lacks; the Secret as it is then."""
    missing = {k: v for k, v in wanted["stringData"].items() if k not in (stored.get("data") or {})}
    if not missing or fate.state is not State.AS_WANTED or "stringData" in stored:
        return stored
    meta = stored["metadata"]
    return await cluster.merge(SECRET, meta["namespace"], meta["name"], {"stringData": missing})


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


def _password_of(url: str) -> str:
    """Empty where the URL has none, or is none: anyone may have edited it."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def _keyless(key: str) -> str:
    return (
        f"it has no readable key {key!r}, which the evaluation database was made with: put it back, or delete the "
        "Secret together with the database's data"
    )
