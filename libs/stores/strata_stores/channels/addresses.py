"""Which addresses a tenant's URL may lead to. Pure: takes what a name resolved to, says why not."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64: Final = IPv6Network("64:ff9b::/96")
# Python's `is_global` differs between patch releases in some of these, and calls some of them global.
_NEVER: Final[tuple[Network, ...]] = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # Azure's metadata and agent address, public by its number only
    IPv6Network("::/96"),  # IPv4-compatible
    IPv6Network("64:ff9b:1::/48"),  # NAT64 for local use
    IPv6Network("100::/64"),
    IPv6Network("2001::/23"),  # Teredo, ORCHID and other protocol assignments
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: leads to an IPv4 address of the sender's choice
    IPv6Network("3fff::/20"),
    IPv6Network("5f00::/16"),
    IPv6Network("fec0::/10"),
)


def is_allowed(text: str, port: int, *, allowed: Collection[Network], ports: Collection[int]) -> bool:
    """Global addresses on the usual ports; in the operator's networks, everything."""
    try:
        address = _effective(ip_address(text))
    except ValueError:
        return False
    if any(address in network for network in allowed):
        return True
    return port in ports and _is_global(address)


def _effective(address: Address) -> Address:
    """The IPv4 address behind the two forms of IPv6 that carry one and that hosts do connect to."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_global(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _NEVER)
