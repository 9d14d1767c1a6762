"""What comes back from the API server, or from something before it, leaves the port as one of its own errors."""

from __future__ import annotations

import json

import pytest

from maraudersmap_operator.cluster import Unavailable
from maraudersmap_operator.cluster.errors import translated


@pytest.mark.parametrize("answer", [b'{"items": [{"meta', b"", b"\xff\xfe"])
def test_an_answer_that_is_no_json_is_one_to_ask_for_again(answer: bytes) -> None:
    with pytest.raises(Unavailable, match="GET /api"), translated("GET /api"):
        json.loads(answer)
