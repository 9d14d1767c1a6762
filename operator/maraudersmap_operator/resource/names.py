"""Words of the contract with users and with the cluster: the one place where they are spelled."""

from enum import StrEnum
from typing import Final

GROUP: Final = "hogwarts.edu"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "MaraudersMap"
PLURAL: Final = "maraudersmaps"
SINGULAR: Final = "maraudersmap"
SHORT_NAME: Final = "mm"
CATEGORY: Final = "marauders"

MANAGER: Final = "maraudersmap-operator"
"""Field manager of every server-side apply, and the value of `app.kubernetes.io/managed-by`."""

APP: Final = "maraudersmap"
"""Value of `app.kubernetes.io/name` on every child."""

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_REVISION: Final = f"{GROUP}/revision"
LABEL_SERVICE: Final = "kubernetes.io/service-name"
"""Kubernetes' own, on EndpointSlices: the Service that they are of."""

KEPT: Final = {
    "argocd.argoproj.io/sync-options": "Prune=false",
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
}
"""Annotations of what outlives its resource. It has no owner then, and an Argo CD that tracks by the label
`app.kubernetes.io/instance` takes it for a leftover of the Application of that name: it would delete the data."""

NO_REVISION: Final = "none"
"""Value of the revision label in a selector that must match no pod (a real one has eight characters)."""

SHARED: Final = "shared"
"""`status.serving` while the Service selects the pods of stable and candidate alike. No revision: those have no vowels."""

ANNOTATION_IMAGE: Final = f"{GROUP}/image"
ANNOTATION_RETRY: Final = f"{GROUP}/retry"
ANNOTATION_PROMOTE: Final = f"{GROUP}/promote"
ANNOTATION_ABORT: Final = f"{GROUP}/abort"
ANNOTATION_ROLLBACK_TO: Final = f"{GROUP}/rollback-to"
ANNOTATION_RESTART: Final = f"{GROUP}/restart"
ANNOTATION_SECRETS: Final = f"{GROUP}/secrets"
ANNOTATION_STARTUP: Final = f"{GROUP}/startup-seconds"
ANNOTATION_COPIED_FROM: Final = f"{GROUP}/copied-from"
ANNOTATION_MIGRATED: Final = f"{GROUP}/migrated"
ANNOTATION_DIGEST: Final = f"{GROUP}/applied-digest"
ANNOTATION_OWNED: Final = f"{GROUP}/applied-keys"
"""Annotations and optional fields that we have written: what is ours may be removed once it is wanted no more."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl repeats the whole object in it, as a string in which names and values stand side by side."""
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
"""`kubectl rollout restart` leaves it; its wish has been granted, and taking it away would restart once more."""

RESERVED_PREFIXES: Final = ("app.kubernetes.io/", f"{GROUP}/")
"""Of labels and annotations that users may not give to pods."""

NAME_MAX: Final = 40
"""Longest name of a resource: `<name>-migrate-<hash8>-<attempt>` must fit the 63 characters of a label value."""

NAME_PATTERN: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""A resource's name starts the names of Services, which are DNS labels that begin with a letter."""

API_PORT: Final = 4001
API_PORT_NAME: Final = "http"


class Component(StrEnum):
    """Value of `app.kubernetes.io/component`: which part of the service a child belongs to."""

    API = "api"
    POSTGRES = "postgres"
    CACHE = "cache"
    LIMITS = "limits"
    REDIS = "redis"  # the cache of releases that gave it no password
    MIGRATIONS = "migrations"
