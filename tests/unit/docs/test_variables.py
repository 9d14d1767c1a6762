"""Each variable that a program reads is declared, in its table and its --help, and nothing else is."""

from collections.abc import Iterator, Mapping

import pytest
from dev import variables as generated

from maraudersmap_api.settings import load_settings
from maraudersmap_api.settings.variables import VARIABLES as API
from maraudersmap_operator.reconcile import help_text, read_settings
from maraudersmap_operator.reconcile.context.variables import VARIABLES as OPERATOR


class Asked(Mapping[str, str]):
    """An environment that notes what it was asked for."""

    def __init__(self, **values: str) -> None:
        self._values = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_the_documents_are_as_generated() -> None:
    for path, table in generated.tables().items():
        document = path.read_text(encoding="utf-8")
        assert generated.renewed(document, table) == document, "run `make variables`"


def test_a_document_without_its_markers_is_rejected() -> None:
    with pytest.raises(ValueError, match="has no <!-- variables"):
        generated.renewed("# Settings", "")


def test_the_api_reads_what_is_declared() -> None:
    asked = Asked(
        DATABASE_URL="postgresql://u:p@db/map", JWT_SECRET="solemnly" * 4, OTEL_TRACES_EXPORTER="otlp"
    )
    load_settings(asked)
    assert {name for name in asked.names if not name.endswith("_FILE")} == {v.name for v in API}


def test_the_operator_reads_what_is_declared() -> None:
    asked = Asked()
    read_settings(asked)
    assert asked.names | {"KUBECONFIG"} == {v.name for v in OPERATOR}
    for variable in OPERATOR:
        assert f"\n  {variable.name} " in help_text()
