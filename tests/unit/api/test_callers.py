"""Whose request counts against whom, and the windows of one process."""

import pytest

from maraudersmap_api.auth.throttle import LoginThrottle
from maraudersmap_api.errors import RateLimited
from maraudersmap_api.http.api import ClientAddress
from maraudersmap_api.http.callers import client_address
from maraudersmap_api.infra import ratelimit
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.ratelimit import LocalCounter, RateLimiter
from maraudersmap_api.infra.redis import CacheAway


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
    limiter = RateLimiter(LocalCounter(10, clock), None, Metrics(), clock)

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
    class Broken(LocalCounter):
        async def hit(self, key: str) -> tuple[int, float]:
            raise CacheAway("gone")

        async def refund(self, key: str) -> None:
            raise CacheAway("gone")

    clock, metrics = Clock(), Metrics()
    limiter = RateLimiter(LocalCounter(10, clock), Broken(10), metrics, clock)

    assert [(await limiter.hit("a", 2)).exceeded for _ in range(3)] == [False, False, True]
    await limiter.refund("a")
    assert (await limiter.hit("a", 3)).exceeded is False
    assert b"rate_limit_local_fallbacks_total 5.0" in metrics.render()


async def test_a_guess_counts_until_it_has_succeeded() -> None:
    """Counted before anything is hashed: otherwise a thousand guesses at once would all be let through."""
    clock = Clock()
    throttle = LoginThrottle(RateLimiter(LocalCounter(900, clock), None, Metrics(), clock), clock)
    here, there = ClientAddress("1.2.3.4"), ClientAddress("5.6.7.8")

    for _ in range(5):
        await throttle.attempt("harry@hogwarts.edu", here)
    with pytest.raises(RateLimited) as caught:
        await throttle.attempt("harry@hogwarts.edu", here)
    assert 0 < caught.value.retry_after <= 901
    await throttle.attempt("harry@hogwarts.edu", there)
    await throttle.attempt("ron@hogwarts.edu", here)
    # success wipes the account's count, and takes back one of the address's
    for _ in range(60):
        await throttle.attempt("hermione@hogwarts.edu", there)
        await throttle.succeeded("hermione@hogwarts.edu", there)
    # fifty for an address, whatever the names
    for number in range(50 - 7):
        await throttle.attempt(f"user{number}@hogwarts.edu", here)
    with pytest.raises(RateLimited):
        await throttle.attempt("last@hogwarts.edu", here)
    clock.now += 900
    await throttle.attempt("harry@hogwarts.edu", here)
