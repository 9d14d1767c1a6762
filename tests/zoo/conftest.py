"""One resource per strategy that every scenario of the zoo starts from, and the record of what they measured."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from dev.kube import Kubectl
from dev.misbehaving_image import ensure_image_without_program, ensure_misbehaving_image
from tests.cluster.conftest import (  # noqa: F401 (fixtures and a hook of pytest's)
    cluster,
    good_image,
    kind_cluster,
    kubectl,
    operator,
    own_namespace,
    pytest_runtest_makereport,
)
from tests.zoo import record
from tests.zoo.cage import Cage, base_spec

ROWS = pytest.StashKey[list[record.Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    if rows := session.config.stash[ROWS]:
        record.write(rows)


@pytest.fixture(scope="session")
def misbehaving_image(operator: str) -> str:  # noqa: F811
    return ensure_misbehaving_image()


@pytest.fixture(scope="session")
def image_without_program(operator: str) -> str:  # noqa: F811
    return ensure_image_without_program()


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> list[record.Row]:
    """What this run has measured so far; each trial adds its own."""
    return pytestconfig.stash[ROWS]


@pytest.fixture(scope="session")
def zoo(
    kubectl: Kubectl,  # noqa: F811
    misbehaving_image: str,
    rows: list[record.Row],
) -> Iterator[Callable[[str], Cage]]:
    """`zoo(strategy)`: the resource with that strategy, in a namespace of its own that lasts for the session."""
    with contextlib.ExitStack() as namespaces:
        made: dict[str, Cage] = {}

        def cage(strategy: str) -> Cage:
            if strategy not in made:
                name = namespaces.enter_context(own_namespace(kubectl))
                made[strategy] = Cage(kubectl, name, misbehaving_image, strategy=strategy, rows=rows)
                made[strategy].resource_exists(base_spec(misbehaving_image, strategy))
            return made[strategy]

        yield cage
