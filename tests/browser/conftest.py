"""The services of the component tests, for a browser in front of them."""

from tests.component.conftest import database, postgres, template

__all__ = ["database", "postgres", "template"]
