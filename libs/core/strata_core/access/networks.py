"""From where a key may be used."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from strata_datamodel.errors import DeniedError, InvalidError, Problem
from strata_datamodel.limits import NETWORKS_PER_KEY

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_ADDRESSES: Final = 4_096


def check_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """In their one form, each once; raises InvalidError (code `bad_network`) naming what is not a network. An address
    is a network of one."""
    given = tuple(texts)
    problems = []
    if len(given) > NETWORKS_PER_KEY:
        problems.append(Problem("/allowed_networks", f"expected at most {NETWORKS_PER_KEY}"))
    canonical: list[str] = []
    for place, text in enumerate(given[:NETWORKS_PER_KEY]):
        network = _network(text)
        if network is None:
            problems.append(Problem(f"/allowed_networks/{place}", "expected an address or a network as 10.0.0.0/8"))
        else:
            canonical.append(str(network))
    if problems:
        raise InvalidError("a network is not valid", code="bad_network", problems=problems)
    return tuple(dict.fromkeys(canonical))


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Of texts that `check_networks` gave."""
    return tuple(ip_network(text) for text in texts)


def is_inside(address: str | None, networks: Sequence[Network]) -> bool:
    """Whether no network is asked for, or the address is in one of them. What is no address is in none."""
    if not networks:
        return True
    parsed = None if address is None else plain_address(address)
    return parsed is not None and any(parsed in network for network in networks)


def require_inside(address: str | None, networks: Sequence[Network]) -> None:
    if not is_inside(address, networks):
        raise DeniedError(
            "this key may not be used from this address",
            code="address_not_allowed",
            hint="use it from one of its networks, or make a key for this one",
        )


@lru_cache(_ADDRESSES)
def plain_address(text: str) -> Address | None:
    """Without a zone, and an IPv4 address that came over IPv6 as the IPv4 address it is."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _network(text: str) -> Network | None:
    """Bits below the prefix are a slip of the pen that would allow other addresses than meant: refused."""
    try:
        network = ip_network(text)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        return None  # those addresses are compared as IPv4, so it would never match
    return network
