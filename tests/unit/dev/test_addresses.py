"""Address ranges are chosen where nothing is, and never overlap."""

from ipaddress import IPv4Network

import pytest
from dev.cluster.host.console import Problem
from dev.cluster.network import addresses
from hypothesis import given
from hypothesis import strategies as st

# /proc/net/route as Linux prints it: addresses are little-endian hexadecimal.
ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
docker0	000014AC	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def test_a_routing_table_is_read_without_its_default_route() -> None:
    """Little-endian addresses become networks; the default route covers everything and says nothing."""
    assert addresses.routed_networks(ROUTES) == [IPv4Network("192.0.2.0/24"), IPv4Network("172.20.0.0/24")]


def test_our_own_bridges_are_no_clash() -> None:
    """A bridge that an earlier daemon left must not push its successor to another range."""
    assert addresses.routed_networks(ROUTES, ignore=["docker0"]) == [IPv4Network("192.0.2.0/24")]


@given(start=st.integers(min_value=0, max_value=2**24))
def test_the_ranges_of_a_cluster_never_overlap(start: int) -> None:
    """Nodes, pods and services of one cluster are apart, wherever the search begins."""
    ranges = addresses.choose_cluster_ranges([], start)
    assert not ranges.nodes.overlaps(ranges.pods)
    assert not ranges.nodes.overlaps(ranges.services)
    assert not ranges.pods.overlaps(ranges.services)


@given(start=st.integers(min_value=0, max_value=2**24))
def test_a_second_cluster_avoids_the_first(start: int) -> None:
    """Two clusters with one service range would answer each other's traffic."""
    first = addresses.choose_cluster_ranges([], start)
    second = addresses.choose_cluster_ranges([first.nodes, first.pods, first.services], start)
    for mine in (second.nodes, second.pods, second.services):
        assert not any(mine.overlaps(other) for other in (first.nodes, first.pods, first.services))


def test_a_full_machine_is_a_problem_with_a_remedy() -> None:
    """Nothing free is reported plainly instead of starting a cluster that cannot work."""
    with pytest.raises(Problem, match="in use") as raised:
        addresses.choose_cluster_ranges([IPv4Network("10.0.0.0/8")], start=0)
    assert "ip route" in raised.value.remedy


def test_the_bridge_takes_the_next_free_range() -> None:
    """The first candidate is skipped when the machine routes it."""
    taken = [IPv4Network("172.20.0.0/24"), IPv4Network("172.20.1.0/25")]
    assert addresses.choose_bridge(taken) == IPv4Network("172.20.2.0/24")
