"""Where the API keeps its data: the database, the cache and the key that signs tokens."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from maraudersmap_operator.resource.model import Model, ObjectName, Rule, SecretSource
from maraudersmap_operator.resource.quantity import Quantity, amount


class Retention(StrEnum):
    """What becomes of the evaluation database's data when the resource is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class Storage(Model):
    """A volume of the evaluation database; its password shares the volume's fate."""

    size: Quantity = Field(default="1Gi", description="Size of the volume.")
    storage_class_name: ObjectName | None = Field(
        default=None,
        description="Storage class of the volume; absent means the cluster's default. It must give "
        "volumes that a process with uid 999 can write to.",
    )
    retention: Retention = Field(
        default=Retention.DELETE,
        description="Delete: the data goes with the resource. Retain: the volume and the Secret with its "
        "password stay, and a resource of the same name finds both again.",
    )
    rules = (
        Rule(
            cel="quantity(string(self.size)).compareTo(quantity('256Mi')) >= 0",
            message="database.evaluation.storage.size must be at least 256Mi: PostgreSQL's own files take most of it",
            holds=lambda storage: amount(storage.size) >= amount("256Mi"),
        ),
    )


class EvaluationDatabase(Model):
    """One PostgreSQL pod run by the operator: for trying things out, without replica and without backups."""

    storage: Storage | None = Field(
        default=None,
        description="A persistent volume. Absent: the data lives in an emptyDir and is lost with the pod. "
        "Cannot be changed afterwards.",
    )
    rules = (
        Rule(
            cel="has(self.storage) == has(oldSelf.storage) && "
            "(!has(self.storage) || self.storage == oldSelf.storage)",
            message="database.evaluation.storage cannot be changed; delete the resource and create it again, "
            "or move to database.external",
        ),
    )


class Database(Model):
    """PostgreSQL 16 for the incidents; exactly one of the fields is set."""

    external: SecretSource | None = Field(
        default=None,
        description="A database that exists already; the Secret's value is its URL, "
        "postgresql://user:password@host:5432/name.",
    )
    evaluation: EvaluationDatabase | None = Field(
        default=None, description="A single PostgreSQL pod run by the operator, for evaluation."
    )
    rules = (
        Rule(
            cel="[has(self.external), has(self.evaluation)].filter(x, x).size() == 1",
            message="name exactly one database: `evaluation: {}` to try things out, or "
            "`external: {secretRef: {name: ..., key: ...}}` for an existing one",
            holds=lambda database: (database.external is None) != (database.evaluation is None),
        ),
    )


class EvaluationCache(Model):
    """One Redis pod run by the operator."""

    max_memory: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}(Mi|Gi)$")] = Field(
        default="256Mi",
        description="Memory for entries, in Mi or Gi; beyond it the least recently used go (allkeys-lru).",
    )


class Cache(Model):
    """Redis 7 for cached answers and rate limits; at most one of the fields is set.

    Absent means `evaluation: {}`: rate limits are exact across pods only with a shared store, and a cache
    that is lost costs nothing but speed: one pod of it is a safe default where one of a database is not.
    """

    external: SecretSource | None = Field(
        default=None,
        description="A Redis that exists already; the Secret's value is its URL, redis://:password@host:6379/0.",
    )
    evaluation: EvaluationCache | None = Field(
        default=None, description="A single Redis pod run by the operator; the default."
    )
    disabled: bool = Field(
        default=False, description="No Redis at all: nothing is cached, rate limits are counted in each pod."
    )
    rules = (
        Rule(
            cel="[has(self.external), has(self.evaluation), self.disabled].filter(x, x).size() <= 1",
            message="name at most one cache: `external: {secretRef: {name: ..., key: ...}}`, "
            "`evaluation: {}` or `disabled: true`",
            holds=lambda cache: (
                (cache.external is not None) + (cache.evaluation is not None) + cache.disabled <= 1
            ),
        ),
    )

    @model_validator(mode="after")
    def _default_is_absent(self) -> Self:
        """`evaluation: {}` is what absence means: written out it must not make another revision."""
        if self.evaluation == EvaluationCache():
            object.__setattr__(self, "evaluation", None)
        return self

    @property
    def mode(self) -> Literal["external", "evaluation", "disabled"]:
        """Which of the three it is, the default settled."""
        if self.external is not None:
            return "external"
        return "disabled" if self.disabled else "evaluation"

    @property
    def run_here(self) -> EvaluationCache | None:
        """The Redis that the operator runs; None when it runs none."""
        return (self.evaluation or EvaluationCache()) if self.mode == "evaluation" else None
