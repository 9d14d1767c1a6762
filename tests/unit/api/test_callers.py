"""Whose request counts against whom, and the windows of one process."""

import pytest

from maraudersmap_api.http.callers import client_address
from maraudersmap_api.infra import ratelimit
from maraudersmap_api.infra.ratelimit import LocalCounter, RateLimiter


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "counted"),
    [
        pytest.param("10.0.0.1", ["6.6.6.6"], 0, "10.0.0.1", id="nobody is trusted"),
        pytest.param("10.0.0.1", ["6.6.6.6, 1.2.3.4"], 1, "1.2.3.4", id="what a client wrote does not count"),
        pytest.param("10.0.0.1", ["6.6.6.6", "1.2.3.4"], 1, "1.2.3.4", id="two headers are one list"),
        pytest.param("10.0.0.1", ["1.2.3.4, 10.0.0.2"], 2, "1.2.3.4", id="two proxies"),
        pytest.param("10.0.0.1", [], 1, "10.0.0.1", id="past the proxy"),
        pytest.param("10.0.0.1", ["1.2.3.4"], 2, "10.0.0.1", id="fewer entries than proxies"),
        pytest.param("10.0.0.1", ["owl post"], 1, "10.0.0.1", id="no address"),
        pytest.param("2001:db8:1:2:3::4", [], 0, "2001:db8:1:2::/64", id="a household"),
        pytest.param("::ffff:1.2.3.4", [], 0, "1.2.3.4", id="IPv4 in IPv6"),
        pytest.param("fe80::1%eth0", [], 0, "fe80::/64", id="zone"),
        pytest.param("", [], 0, "unknown", id="Unix socket"),
    ],
)
def test_the_address_that_counts(peer: str, forwarded: list[str], proxies: int, counted: str) -> None:
    assert client_address(peer, forwarded, proxies) == counted


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.25

    def __call__(self) -> float:
        return self.now


async def test_a_window_starts_with_the_first_request_and_reset_rounds_up() -> None:
    clock = Clock()
    limiter = RateLimiter(LocalCounter(10, clock), None, lambda: True, clock)

    first = await limiter.hit("a", 2)
    clock.now += 9
    second, third, other = await limiter.hit("a", 2), await limiter.hit("a", 2), await limiter.hit("b", 2)

    assert (first.remaining, first.reset, first.exceeded) == (1, 1011, False)
    assert (second.remaining, second.reset, second.exceeded) == (0, 1011, False)
    assert (third.remaining, third.exceeded) == (0, True)
    assert other.remaining == 1
    clock.now += 1
    assert (await limiter.hit("a", 2)).remaining == 1


async def test_local_windows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "LOCAL_KEYS", 10)
    clock = Clock()
    counter = LocalCounter(10, clock)

    for number in range(1000):
        await counter.hit(str(number))

    assert len(counter._windows) <= 10


async def test_whatever_redis_does_the_request_is_counted() -> None:
    class Broken:
        async def hit(self, key: str) -> tuple[int, float]:
            raise ConnectionError("gone")

    clock = Clock()
    limiter = RateLimiter(LocalCounter(10, clock), Broken(), lambda: True, clock)

    assert [(await limiter.hit("a", 2)).exceeded for _ in range(3)] == [False, False, True]
