"""Whose request counts against whom, and the windows of one process."""

import pytest

from maraudersmap_api.addresses import ClientAddress, client_address, site_of, whole_site_of
from maraudersmap_api.auth.throttle import LoginThrottle
from maraudersmap_api.errors import RateLimited, Unauthorized, Unavailable
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
        pytest.param("10.0.0.1", ["1.2.3.4:56789"], 1, "1.2.3.4", id="with a port"),
        pytest.param("10.0.0.1", ["[2001:db8:1:2:3::4]:443"], 1, "2001:db8:1:2::/64", id="IPv6 with a port"),
        pytest.param("10.0.0.1", ["[2001:db8:1:2:3::4]"], 1, "2001:db8:1:2::/64", id="in brackets"),
        pytest.param("10.0.0.1", ['"[::ffff:1.2.3.4]:443"'], 1, "1.2.3.4", id="quoted, mapped, with a port"),
        pytest.param("10.0.0.1", ["1.2.3.4:"], 1, "10.0.0.1", id="a colon is no port"),
        pytest.param("10.0.0.1", ["1.2.3.4:port"], 1, "10.0.0.1", id="a word is no port"),
        pytest.param("10.0.0.1", ["[1.2.3.4:80"], 1, "10.0.0.1", id="half a bracket"),
        pytest.param("64:ff9b::1.2.3.4", [], 0, "1.2.3.4", id="behind NAT64"),
        pytest.param("10.0.0.1", ["[64:ff9b::1.2.3.4]:80"], 1, "1.2.3.4", id="behind NAT64 and a proxy"),
        pytest.param("64:ff9b::1:102:304", [], 0, "64:ff9b::/64", id="beside NAT64's prefix"),
    ],
)
def test_the_address_that_counts(peer: str, forwarded: list[str], proxies: int, counted: str) -> None:
    assert client_address(peer, forwarded, proxies) == counted


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:56789", "192.0.2.1"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("[2001:db8:1:ffff::1]:443", "2001:db8:1::/48"),
        ("64:ff9b::1.2.3.4", "1.2.3.4"),
        ("", "unknown"),
        ("owl post", "unknown"),
    ],
)
def test_all_that_one_caller_may_have(written: str, whole: str) -> None:
    assert whole_site_of(written) == whole


@pytest.mark.parametrize(
    ("place", "site"),
    [
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::/64", "2001:db8:1::/48"),
        ("2001:db8:2:2::/64", "2001:db8:2::/48"),
        ("1.2.3.4", None),
        ("unknown", None),
    ],
)
def test_many_places_of_ipv6_are_one_site(place: str, site: str | None) -> None:
    assert site_of(place) == site


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


async def wrong(throttle: LoginThrottle, email: str, address: ClientAddress) -> None:
    """An attempt with a password that does not fit."""
    with pytest.raises(Unauthorized):
        async with throttle.attempt(email, address):
            raise Unauthorized("E-mail address or password is wrong")


async def right(throttle: LoginThrottle, email: str, address: ClientAddress) -> None:
    """An attempt with the right one."""
    async with throttle.attempt(email, address):
        pass


async def test_a_guess_counts_until_it_has_succeeded() -> None:
    """Counted before anything is hashed: otherwise a thousand guesses at once would all be let through."""
    clock = Clock()
    throttle = LoginThrottle(RateLimiter(LocalCounter(900, clock), None, Metrics(), clock), clock)
    here, there = ClientAddress("1.2.3.4"), ClientAddress("5.6.7.8")

    for _ in range(5):
        await wrong(throttle, "harry@hogwarts.edu", here)
    with pytest.raises(RateLimited) as caught:
        await right(throttle, "harry@hogwarts.edu", here)
    assert 0 < caught.value.retry_after <= 901
    await wrong(throttle, "harry@hogwarts.edu", there)
    await wrong(throttle, "ron@hogwarts.edu", here)
    # success wipes the account's count, and takes back one of the address's
    for _ in range(60):
        await right(throttle, "hermione@hogwarts.edu", there)
    # fifty for an address, whatever the names; what was refused is no failure
    for number in range(50 - 6):
        await wrong(throttle, f"user{number}@hogwarts.edu", here)
    with pytest.raises(RateLimited):
        await right(throttle, "last@hogwarts.edu", here)
    clock.now += 900
    await right(throttle, "harry@hogwarts.edu", here)


async def test_what_is_refused_to_one_account_is_no_failure_of_its_neighbours() -> None:
    """Someone who goes on trying, or a script of theirs, must not lock out all who share the address."""
    clock = Clock()
    throttle = LoginThrottle(RateLimiter(LocalCounter(900, clock), None, Metrics(), clock), clock)
    here = ClientAddress("2001:db8:1:2::/64")

    for _ in range(5):
        await wrong(throttle, "luna@hogwarts.edu", here)
    for _ in range(600):
        with pytest.raises(RateLimited):
            await right(throttle, "luna@hogwarts.edu", here)

    await right(throttle, "harry@hogwarts.edu", here)


async def test_what_is_refused_to_an_address_is_no_failure_of_an_account() -> None:
    clock = Clock()
    throttle = LoginThrottle(RateLimiter(LocalCounter(900, clock), None, Metrics(), clock), clock)
    here = ClientAddress("1.2.3.4")

    for number in range(50):
        await wrong(throttle, f"user{number}@hogwarts.edu", here)
    clock.now += 890
    for _ in range(20):
        with pytest.raises(RateLimited):
            await right(throttle, "harry@hogwarts.edu", here)

    clock.now += 10  # the address's window is over; one of the account would last for most of another
    await right(throttle, "harry@hogwarts.edu", here)


async def test_what_nobody_could_judge_is_no_failure() -> None:
    clock = Clock()
    throttle = LoginThrottle(RateLimiter(LocalCounter(900, clock), None, Metrics(), clock), clock)
    here = ClientAddress("2001:db8:1:2::/64")
    for _ in range(600):
        with pytest.raises(Unavailable):
            async with throttle.attempt("harry@hogwarts.edu", here):
                raise Unavailable("away")
    for _ in range(5):
        await wrong(throttle, "harry@hogwarts.edu", here)
    with pytest.raises(RateLimited):
        await wrong(throttle, "harry@hogwarts.edu", here)


async def test_a_site_has_a_ceiling_and_one_place_cannot_use_it_up() -> None:
    clock = Clock()
    throttle = LoginThrottle(RateLimiter(LocalCounter(900, clock), None, Metrics(), clock), clock)

    def place(number: int) -> ClientAddress:
        return ClientAddress(f"2001:db8:1:{number:x}::/64")

    for number in range(1000):  # the first fifty count for the site, the others are refused before
        with pytest.raises((Unauthorized, RateLimited)):
            async with throttle.attempt(f"user{number}@hogwarts.edu", place(0)):
                raise Unauthorized("wrong")
    for guess in range(500 - 50):
        await wrong(throttle, "harry@hogwarts.edu", place(1 + guess // 5))
    with pytest.raises(RateLimited):
        await right(throttle, "ron@hogwarts.edu", place(1000))
    await right(throttle, "ron@hogwarts.edu", ClientAddress("2001:db8:2:1::/64"))
