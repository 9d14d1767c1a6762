"""Secrets that the operator generates. They are created once and never rewritten."""

from maraudersmap_operator.children import names
from maraudersmap_operator.children.environment import DATABASE_URL_KEY, JWT_SECRET_KEY
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import Component


def application_secret(owner: Owner, *, jwt_secret: str | None, database_url: str | None) -> Manifest:
    """`<name>-secrets`: what the API's pods read. None: a Secret of the user's has that value."""
    values = {DATABASE_URL_KEY: database_url, JWT_SECRET_KEY: jwt_secret}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": owner.metadata_for(names.application_secret(owner.name), component=Component.API),
        "type": "Opaque",
        "stringData": {key: value for key, value in values.items() if value is not None},
    }
