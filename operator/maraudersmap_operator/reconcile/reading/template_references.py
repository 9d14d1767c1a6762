"""What the templates of revisions in use lean on: evaluation databases, caches, and the Secrets that name them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Key, Manifest, Store
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import Component

from .labels import recorded_template, revision_of


def leaned_on(store: Store, owner: Owner, status: MaraudersMapStatus) -> frozenset[str]:
    """The components that a revision reads that runs, or may be gone back to without being asked."""
    used = _in_use(status) | {status.serving}
    references = json.dumps([_references(t) for t in _templates(store, owner, used).values()])
    return frozenset(c for c, mark in _marks(owner).items() if mark in references)


def may_be_leaned_on(store: Store, owner: Owner, status: MaraudersMapStatus) -> frozenset[str]:
    """The same, and all of them while a revision in use has neither record nor Deployment in sight: what it reads is unknown
    then, not nothing."""
    used = _in_use(status)
    if used - _templates(store, owner, used).keys():
        return frozenset(_marks(owner))
    return leaned_on(store, owner, status)


def redis_read(store: Store, owner: Owner, status: MaraudersMapStatus) -> frozenset[str]:
    """Which Redis the revisions in use read. A revision without a template yet gets that of this release."""
    used = _in_use(status)
    new = frozenset(children.READ_BY_NEW_REVISIONS)
    if not used or used - _templates(store, owner, used).keys():
        return leaned_on(store, owner, status) | new
    return leaned_on(store, owner, status)


def copies_read(store: Store, owner: Owner, status: MaraudersMapStatus) -> dict[str, str]:
    """The copies of ConfigMaps that revisions in use read, each with such a revision."""
    found: dict[str, str] = {}
    for revision, templates in _templates(store, owner, _in_use(status) | {status.serving}).items():
        for name in (n for template in templates for n in _config_maps(template)):
            if children.names.is_config_map_copy(owner.name, name):
                found.setdefault(name, revision)
    return found


def _config_maps(template: Manifest) -> Iterator[str]:
    for container in template.get("spec", {}).get("containers") or ():
        for source in container.get("envFrom") or ():
            if ref := source.get("configMapRef"):
                yield str(ref["name"])
        for variable in container.get("env") or ():
            if ref := (variable.get("valueFrom") or {}).get("configMapKeyRef"):
                yield str(ref["name"])


def _marks(owner: Owner) -> dict[str, str]:
    """How templates name each: by host, or by the key of the Secret that holds its URL."""
    application, access = (
        children.names.application_secret(owner.name),
        children.names.cache_access(owner.name),
    )
    return {
        Component.POSTGRES: _key(application, children.DATABASE_URL_KEY),
        Component.CACHE: _key(access, children.CACHE_URL_KEY),
        Component.LIMITS: _key(access, children.LIMITS_URL_KEY),
        Component.REDIS: children.open_cache_host(owner),
    }


def _key(secret: str, key: str) -> str:
    return json.dumps({"name": secret, "key": key})


def _in_use(status: MaraudersMapStatus) -> set[str]:
    return {r.revision for r in (status.stable, status.candidate) if r is not None}


def _templates(store: Store, owner: Owner, revisions: set[str]) -> dict[str, list[Manifest]]:
    """Of each revision: those that run and the recorded one."""
    key = Key(owner.namespace, owner.name)
    found: dict[str, list[Manifest]] = {}
    for deployment in store.children(key, DEPLOYMENT):
        if revision_of(deployment) in revisions:
            found.setdefault(revision_of(deployment), []).append(deployment["spec"]["template"])
    for record in store.children(key, CONTROLLER_REVISION):
        if revision_of(record) in revisions and (template := recorded_template(record)):
            found.setdefault(revision_of(record), []).append(template)
    return found


def _references(templates: list[Manifest]) -> list[object]:
    """What the containers get from elsewhere."""
    found: list[object] = []
    for template in templates:
        for container in template.get("spec", {}).get("containers") or ():
            for variable in container.get("env") or ():
                ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
                found.append({"name": ref["name"], "key": ref["key"]} if ref else variable.get("value"))
    return found
