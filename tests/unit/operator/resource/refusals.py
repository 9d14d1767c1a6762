"""The wrong resources of refusals.yaml, for the tests of the models and for those of the API server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GOOD_SPEC: dict[str, Any] = {"image": "marauders-map-api:0.1.0", "database": {"evaluation": {}}}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A resource, and the words its refusal must have from the API server and from `parse`."""

    title: str
    name: str
    spec: dict[str, Any]
    says: str
    parse_says: str

    @property
    def manifest(self) -> dict[str, Any]:
        """The resource, without a namespace."""
        return {
            "apiVersion": "hogwarts.edu/v1alpha1",
            "kind": "MaraudersMap",
            "metadata": {"name": self.name},
            "spec": self.spec,
        }


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """JSON merge patch: null removes."""
    out = dict(base)
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = value
    return out


def _read() -> tuple[Refusal, ...]:
    cases = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())
    return tuple(
        Refusal(
            title=case["title"],
            name=case.get("name", "marauders-map"),
            spec=merged(GOOD_SPEC, case["spec"]),
            says=case["says"],
            parse_says=case.get("parse_says", case["says"]),
        )
        for case in cases
    )


REFUSALS = _read()
