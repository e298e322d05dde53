"""The bucket of an address: what a flood without a credential runs into."""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from strata_core.access.networks import plain_address
from strata_core.ports.rate_limiter import Bucket, bucket
from strata_core.quotas.rules import BURST_S
from strata_datamodel.ids import ADDRESSES

NAME: Final = "requests_per_second_per_address"
_ADDRESSES: Final = 10_000
_SUBSCRIBER_BITS: Final = 64


def address_buckets(rate: int) -> Callable[[str], Bucket]:
    """An IPv6 caller holds 2**64 addresses and gets one bucket for all of them."""

    @lru_cache(_ADDRESSES)
    def bucket_of(address: str) -> Bucket:
        plain = plain_address(address)
        if isinstance(plain, IPv6Address):
            plain_text = str(IPv6Network((plain, _SUBSCRIBER_BITS), strict=False).network_address)
        else:
            plain_text = str(plain)  # what is no address shares the bucket "None"
        return bucket(ADDRESSES, NAME, float(rate), float(rate * BURST_S), plain_text)

    return bucket_of
