"""Every answer that a component test gets is held against the served document: status, shape, nothing beyond it."""

import re
from copy import deepcopy
from typing import Any

from openapi_schema_validator import OAS31Validator

Validator = Any
UNDOCUMENTED = 404, 405  # by aiohttp's router, for addresses and methods that are in no document


class Conformance:
    """Compiled from an OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = _tightened(document["components"])
        self._operations = [
            (method.upper(), re.compile(re.sub(r"{\w+}", "[^/]+", path)), path.count("{"), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        self._operations.sort(key=lambda found: found[2])  # fixed paths before those with parameters
        self._validators: dict[tuple[str, int], Validator] = {}

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """Raises AssertionError, or the validator's error."""
        operation = self._operation(method, path)
        if operation is None:
            assert status in (*UNDOCUMENTED, 204, 400, 413, 429), f"{method} {path} is not in the document"
            return
        name = operation["operationId"]
        response = operation["responses"].get(str(status))
        assert response is not None, f"{name}: {status} is not documented: {body}"
        if (name, status) not in self._validators:
            self._validators[name, status] = self._validator(response)
        validator = self._validators[name, status]
        if validator is None:
            return
        validator.validate(body)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        method = "GET" if method == "HEAD" else method
        path = path.partition("?")[0]
        for candidate, pattern, _, operation in self._operations:
            if candidate == method and pattern.fullmatch(path):
                found: dict[str, Any] = operation
                return found
        return None

    def _validator(self, response: dict[str, Any]) -> Validator:
        if "$ref" in response:
            response = self._components["responses"][response["$ref"].rpartition("/")[2]]
        content = response.get("content", {}).get("application/json")
        if content is None:
            return None
        return OAS31Validator({**content["schema"], "components": self._components})


def _tightened(components: dict[str, Any]) -> dict[str, Any]:
    """The document lets clients meet new fields; here a field that nobody described is a fault."""
    tight = deepcopy(components)
    for schema in tight["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return tight
