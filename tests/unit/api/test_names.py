"""What an installation calls its things in Redis."""

import pytest

from maraudersmap_api.infra.names import Names, names_of

URL = "postgresql://map:secret@db:5432/map"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param("postgresql://map:rotated@db:5432/map", True, id="another password"),
        pytest.param("postgresql://owner:secret@DB:5432/map?sslmode=require", True, id="spelled differently"),
        pytest.param("postgresql://map:secret@db:5432/durmstrang", False, id="another database"),
        pytest.param("postgresql://map:secret@db:5433/map", False, id="another port"),
        pytest.param("postgresql:///map?host=/run/one", False, id="a socket"),
    ],
)
def test_without_a_prefix_the_database_tells_installations_apart(other: str, same: bool) -> None:
    assert (names_of(None, URL) == names_of(None, other)) is same


def test_two_sockets_are_two_servers() -> None:
    first, second = (names_of(None, f"postgresql:///map?host=/run/{name}") for name in ("one", "two"))
    assert first.installation != second.installation


def test_a_prefix_is_in_keys_and_channels_and_a_derived_one_in_keys_only() -> None:
    """The release before listens to channels without a prefix."""
    given, derived = names_of("hogwarts:", URL), names_of(None, URL)

    assert given == Names("hogwarts")
    assert (given.key("a"), given.channel("a")) == ("hogwarts:a", "hogwarts:a")
    assert derived.key("a").endswith(":a")
    assert derived.key("a") != "a"
    assert derived.channel("a") == "a"
    assert "secret" not in derived.key("a")
