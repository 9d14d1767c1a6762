"""The API container's environment, and the Secrets and ConfigMaps of the user's that it needs."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from maraudersmap_operator.children import names
from maraudersmap_operator.children.cache import CACHE_URL_KEY, LIMITS_URL_KEY
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.model import SecretKeySelector
from maraudersmap_operator.resource.names import API_PORT
from maraudersmap_operator.resource.spec import MaraudersMapSpec
from maraudersmap_operator.resource.workload import EnvVar

DATABASE_URL_KEY = "database-url"
JWT_SECRET_KEY = "jwt-secret"  # noqa: S105 (the name of a key, not a secret)


@dataclass(frozen=True, slots=True)
class SecretKeyRef:
    """A key of a user's Secret that the pods cannot start without."""

    name: str
    key: str | None
    """None: the Secret as a whole (credentials of a registry)."""
    field: str
    """The field of the resource that names it."""


@dataclass(frozen=True, slots=True)
class ConfigMapRef:
    """A user's ConfigMap that the pods cannot start without."""

    name: str
    key: str | None
    """None: all of its keys."""
    field: str
    """The field of the resource that names it."""


def referenced_secrets(spec: MaraudersMapSpec) -> tuple[SecretKeyRef, ...]:
    """The user's Secrets that the pods need, in the order in which the fields are documented."""
    return tuple(_secrets(spec))


def _secrets(spec: MaraudersMapSpec) -> Iterator[SecretKeyRef]:
    for index, secret in enumerate(spec.pull_secrets):
        yield SecretKeyRef(secret.name, None, f"spec.pullSecrets[{index}]")
    if spec.database.external is not None:
        yield _key_ref(spec.database.external.secret_ref, "spec.database.external.secretRef")
    if spec.cache.external is not None:
        yield _key_ref(spec.cache.external.secret_ref, "spec.cache.external.secretRef")
    if spec.jwt_secret is not None:
        yield _key_ref(spec.jwt_secret.secret_ref, "spec.jwtSecret.secretRef")
    for index, variable in enumerate(spec.config.env):
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
            field = f"spec.config.env[{index}].valueFrom.secretKeyRef"
            yield _key_ref(variable.value_from.secret_key_ref, field)


def _key_ref(selector: SecretKeySelector, field: str) -> SecretKeyRef:
    return SecretKeyRef(selector.name, selector.key, field)


def referenced_config_maps(spec: MaraudersMapSpec) -> tuple[ConfigMapRef, ...]:
    """The user's ConfigMaps that the pods need."""
    return tuple(_config_maps(spec))


def _config_maps(spec: MaraudersMapSpec) -> Iterator[ConfigMapRef]:
    for index, variable in enumerate(spec.config.env):
        if variable.value_from is not None and variable.value_from.config_map_key_ref is not None:
            ref = variable.value_from.config_map_key_ref
            yield ConfigMapRef(ref.name, ref.key, f"spec.config.env[{index}].valueFrom.configMapKeyRef")
    for index, config_map in enumerate(spec.config.config_map_refs):
        yield ConfigMapRef(config_map.name, None, f"spec.config.configMapRefs[{index}]")


def generated_keys(spec: MaraudersMapSpec) -> tuple[str, ...]:
    """Keys of the Secret with generated values that the pods read: one for each value that no Secret of the user's gives."""
    read = {DATABASE_URL_KEY: spec.database.evaluation is not None, JWT_SECRET_KEY: spec.jwt_secret is None}
    return tuple(key for key in read if read[key])


def api_environment(owner: Owner, spec: MaraudersMapSpec, copies: Mapping[str, str]) -> list[Manifest]:
    """`env` of the API container, sorted by name so that its order never rolls anything out.

    `copies`: name of a user's ConfigMap -> name of the immutable copy to read instead.
    """
    config = spec.config
    own = [
        _from_secret("DATABASE_URL", _database_url(owner, spec)),
        _from_secret("JWT_SECRET", _jwt_secret(owner, spec)),
        *_redis(owner, spec),
        _value("PORT", API_PORT),
        _value("LOG_LEVEL", config.log_level.value),
        _value("CORS_ORIGINS", ",".join(config.cors_origins)),
        _value("TRUSTED_PROXIES", config.trusted_proxies),
        _value("RATE_LIMIT_ANONYMOUS", config.rate_limits.anonymous),
        _value("RATE_LIMIT_AUTHENTICATED", config.rate_limits.authenticated),
        _value("RATE_LIMIT_WINDOW_SECONDS", config.rate_limits.window_seconds),
        _value("DRAIN_SECONDS", spec.availability.drain_seconds),
    ]
    users = [_users(variable, copies) for variable in config.env]
    theirs = {variable.name.removesuffix("_FILE") for variable in config.env}
    own = [variable for variable in own if variable["name"] not in theirs]
    return sorted(own, key=lambda variable: str(variable["name"])) + users


def api_environment_sources(spec: MaraudersMapSpec, copies: Mapping[str, str]) -> list[Manifest]:
    """`envFrom` of the API container."""
    return [
        {"configMapRef": {"name": copies.get(config_map.name, config_map.name)}}
        for config_map in spec.config.config_map_refs
    ]


def _database_url(owner: Owner, spec: MaraudersMapSpec) -> SecretKeySelector:
    if spec.database.external is not None:
        return spec.database.external.secret_ref
    return SecretKeySelector(name=names.application_secret(owner.name), key=DATABASE_URL_KEY)


def _jwt_secret(owner: Owner, spec: MaraudersMapSpec) -> SecretKeySelector:
    if spec.jwt_secret is not None:
        return spec.jwt_secret.secret_ref
    return SecretKeySelector(name=names.application_secret(owner.name), key=JWT_SECRET_KEY)


def redis_prefix(owner: Owner) -> str:
    """What the keys and channels of this resource begin with, in a Redis that others may share. At most 57 characters; the
    same in all revisions, another one for a resource of the same name elsewhere."""
    return f"map-{owner.name}-{hashlib.sha256(owner.uid.encode()).hexdigest()[:12]}"


def _redis(owner: Owner, spec: MaraudersMapSpec) -> list[Manifest]:
    """Where the cache and the limits are. `config.env` may name another Redis for the limits, and another prefix."""
    if spec.cache.disabled:
        return [_value("REDIS_URL", "")]
    prefix = _value("REDIS_PREFIX", redis_prefix(owner))
    if spec.cache.external is not None:
        return [_from_secret("REDIS_URL", spec.cache.external.secret_ref), prefix]
    access = names.cache_access(owner.name)
    return [
        _from_secret("LIMITS_REDIS_URL", SecretKeySelector(name=access, key=LIMITS_URL_KEY)),
        _from_secret("REDIS_URL", SecretKeySelector(name=access, key=CACHE_URL_KEY)),
        prefix,
    ]


def _users(variable: EnvVar, copies: Mapping[str, str]) -> Manifest:
    source = variable.value_from
    if source is None:
        return _value(variable.name, variable.value or "")
    if source.secret_key_ref is not None:
        return _from_secret(variable.name, source.secret_key_ref)
    ref = source.config_map_key_ref
    assert ref is not None
    key_ref = {"name": copies.get(ref.name, ref.name), "key": ref.key}
    return {"name": variable.name, "valueFrom": {"configMapKeyRef": key_ref}}


def _value(name: str, value: str | int) -> Manifest:
    return {"name": name, "value": str(value)}


def _from_secret(name: str, secret: SecretKeySelector) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": secret.key}}}
