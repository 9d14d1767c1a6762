"""Tags as they come back from proxies that compress, and who takes gzip."""

import pytest

from maraudersmap_api.http.conditions import allows, known, takes_gzip

ETAG = '"7-3"'


@pytest.mark.parametrize(
    ("header", "is_known", "is_allowed"),
    [
        ('"7-3"', True, True),
        ('"7-2"', False, False),
        ('"7-2", "7-3"', True, True),
        ('"7-2" ,"7-3"', True, True),
        ("*", True, True),
        ('W/"7-3"', True, False),  # nginx; changes need a strong one
        ('W/"7-2", W/"7-3"', True, False),
        ('"7-3-gzip"', True, True),  # Apache
        ('"7-3;gzip"', True, True),
        ('W/"7-3-br"', True, False),
        ('"7-3-zip"', False, False),
        ('"7-3', False, False),
        ("7-3", False, False),
        ("", False, False),
        (",,", False, False),
        ('"*"', False, False),
        ("W/*", False, False),
    ],
)
def test_what_a_tag_means(header: str, is_known: bool, is_allowed: bool) -> None:
    assert known(header, ETAG) == is_known
    assert allows(header, ETAG) == is_allowed


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("GZIP", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("identity", False),
        ("", False),
        ("notgzip", False),
    ],
)
def test_who_takes_gzip(header: str, takes: bool) -> None:
    assert takes_gzip(header) == takes
