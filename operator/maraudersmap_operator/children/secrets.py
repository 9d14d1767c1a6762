"""Secrets that the operator generates. They are created once and never rewritten."""

from maraudersmap_operator.children import names
from maraudersmap_operator.children.environment import (
    DATABASE_URL_KEY,
    JWT_SECRET_KEY,
    ConfigMapRef,
    SecretKeyRef,
    needs_application_secret,
    referenced_config_maps,
    referenced_secrets,
)
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import Component


def application_secret(owner: Owner, *, jwt_secret: str, database_url: str | None) -> Manifest:
    """`<name>-secrets`: what the API's pods read. `database_url` None: the user's own Secret has it."""
    values = {JWT_SECRET_KEY: jwt_secret}
    if database_url is not None:
        values[DATABASE_URL_KEY] = database_url
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": owner.metadata_for(names.application_secret(owner.name), component=Component.API),
        "type": "Opaque",
        "stringData": values,
    }


__all__ = [
    "DATABASE_URL_KEY",
    "JWT_SECRET_KEY",
    "ConfigMapRef",
    "SecretKeyRef",
    "application_secret",
    "needs_application_secret",
    "referenced_config_maps",
    "referenced_secrets",
]
