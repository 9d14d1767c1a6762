"""The database of the component tests."""

from tests.component.conftest import database, postgres, template

__all__ = ["database", "postgres", "template"]
