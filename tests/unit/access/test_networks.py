"""From where a key may be used: the edges of IPv4, IPv6 and of what is no address at all."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.access.networks import check_networks, is_inside, networks_of, require_inside
from strata_datamodel.errors import DeniedError, InvalidError
from strata_datamodel.limits import NETWORKS_PER_KEY

v4_networks = st.builds(
    lambda number, prefix: IPv4Network((number >> (32 - prefix) << (32 - prefix), prefix)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
v6_networks = st.builds(
    lambda number, prefix: IPv6Network((number >> (128 - prefix) << (128 - prefix), prefix)),
    st.integers(2**64, 2**128 - 1),
    st.integers(1, 128),
)


@given(v4_networks, st.integers(0, 2**32 - 1))
def test_an_address_is_inside_by_its_leading_bits_and_nothing_else(network: IPv4Network, number: int) -> None:
    address = IPv4Address(number)
    expected = number >> (32 - network.prefixlen) == int(network.network_address) >> (32 - network.prefixlen)
    assert is_inside(str(address), networks_of(check_networks([str(network)]))) is expected
    # A server that listens on both kinds sees IPv4 callers so:
    assert is_inside(f"::ffff:{address}", networks_of([str(network)])) is expected


@given(v6_networks, st.integers(2**64, 2**128 - 1))
def test_the_same_for_ipv6(network: IPv6Network, number: int) -> None:
    address = IPv6Address(number)
    shift = 128 - network.prefixlen
    assert is_inside(str(address), (network,)) is (number >> shift == int(network.network_address) >> shift)
    assert is_inside(f"{address}%eth0", (network,)) is is_inside(str(address), (network,))


@given(st.one_of(v4_networks, v6_networks))
def test_the_first_and_last_address_are_inside_and_their_neighbours_are_not(
    network: IPv4Network | IPv6Network,
) -> None:
    first, last = network.network_address, network.broadcast_address
    assert is_inside(str(first), (network,))
    assert is_inside(str(last), (network,))
    if int(first):
        assert not is_inside(str(first - 1), (network,))
    if int(last) < 2**first.max_prefixlen - 1:
        assert not is_inside(str(last + 1), (network,))


@given(st.text(max_size=40))
def test_what_is_no_address_is_in_no_network_and_breaks_nothing(text: str) -> None:
    everything = networks_of(["0.0.0.0/0", "::/0"])
    if not is_inside(text, everything):
        with pytest.raises(DeniedError):
            require_inside(text, everything)
    assert is_inside(text, ())


@pytest.mark.parametrize("address", [None, "", "unknown", "10.0.0", "10.0.0.1:80", "010.0.0.1", "testclient", "/run/x"])
def test_callers_without_a_proper_address_are_refused_by_a_key_that_names_networks(address: str | None) -> None:
    with pytest.raises(DeniedError):
        require_inside(address, networks_of(["0.0.0.0/0", "::/0"]))
    require_inside(address, ())


def test_every_ipv4_address_is_no_ipv6_address() -> None:
    assert not is_inside("10.0.0.1", networks_of(["::/0"]))
    assert not is_inside("2001:db8::1", networks_of(["0.0.0.0/0"]))


def test_networks_are_kept_once_and_in_one_form() -> None:
    given_ = ["10.0.0.0/8", "192.0.2.7", "2001:DB8::/32", "10.0.0.0/255.0.0.0"]
    assert check_networks(given_) == ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "10.0.0.0/33", "::/129", "acme.test", "::ffff:10.0.0.0/104", "٣.0.0.0"]
)
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        check_networks(["10.0.0.0/8", text])
    assert [problem.where for problem in refusal.value.problems] == ["/allowed_networks/1"]


def test_there_are_not_too_many() -> None:
    with pytest.raises(InvalidError):
        check_networks(["10.0.0.0/8"] * (NETWORKS_PER_KEY + 1))
