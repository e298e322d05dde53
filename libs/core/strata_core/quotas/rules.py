"""Which quotas there are, what holds when nobody set one, and the buckets that enforce them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from strata_core.ports.rate_limiter import Bucket, bucket
from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB, QUOTA_MAX, TAGS_PER_SERIES

BURST_S: Final = 2
"""A bucket holds what it gains in this time."""


class Quota(StrEnum):
    API_REQUESTS = "api_requests_per_second"
    API_REQUESTS_OF_A_KEY = "api_requests_per_second_per_key"
    INGEST_REQUESTS = "ingest_requests_per_second"
    INGEST_REQUESTS_OF_A_KEY = "ingest_requests_per_second_per_key"
    INGEST_BYTES = "ingest_bytes_per_second"
    INGEST_POINTS = "ingest_points_per_second"
    NEW_SERIES = "new_series_per_hour"
    SERIES = "series"
    LABELS_OF_A_SERIES = "labels_per_series"


DEFAULTS: Final[Mapping[Quota, int]] = {
    Quota.API_REQUESTS: 5_000,
    Quota.API_REQUESTS_OF_A_KEY: 2_500,
    Quota.INGEST_REQUESTS: 10_000,
    Quota.INGEST_REQUESTS_OF_A_KEY: 5_000,
    Quota.INGEST_BYTES: 512 * MIB,
    Quota.INGEST_POINTS: 5_000_000,
    Quota.NEW_SERIES: 500_000,
    Quota.SERIES: 2_000_000,
    Quota.LABELS_OF_A_SERIES: TAGS_PER_SERIES,
}
MEANINGS: Final[Mapping[Quota, str]] = {
    Quota.API_REQUESTS: "requests a second to the API, of the whole organization",
    Quota.API_REQUESTS_OF_A_KEY: "requests a second to the API, of each key and each person",
    Quota.INGEST_REQUESTS: "requests a second to the ingest port, of the whole organization",
    Quota.INGEST_REQUESTS_OF_A_KEY: "requests a second to the ingest port, of each key",
    Quota.INGEST_BYTES: "bytes of telemetry a second as sent, of the whole organization",
    Quota.INGEST_POINTS: "points of metrics a second, of the whole organization",
    Quota.NEW_SERIES: "series that were never seen, in an hour of the clock",
    Quota.SERIES: "series in the organization's catalogue",
    Quota.LABELS_OF_A_SERIES: "tags of a new series",
}

COUNTED: Final = frozenset({Quota.NEW_SERIES, Quota.SERIES, Quota.LABELS_OF_A_SERIES})
"""Those that are no rates: nothing of them fills again by the second."""

PER_KEY: Final = frozenset({Quota.API_REQUESTS_OF_A_KEY, Quota.INGEST_REQUESTS_OF_A_KEY})


def quota_of(name: str) -> Quota:
    """Raises InvalidError (code `unknown_quota`)."""
    try:
        return Quota(name)
    except ValueError:
        raise InvalidError(
            f"there is no quota {name[:64]}", code="unknown_quota", hint=f"use one of {', '.join(Quota)}"
        ) from None


def check_value(value: int) -> int:
    """Raises InvalidError (code `bad_quota`)."""
    if not 1 <= value <= QUOTA_MAX:
        raise InvalidError(f"a quota is a number from 1 to {QUOTA_MAX}", code="bad_quota")
    return value


def quota_bucket(
    organization_id: OrganizationId, quota: Quota, values: Mapping[Quota, int], subject: str = ""
) -> Bucket:
    rate = float(values[quota])
    return bucket(organization_id, quota.value, rate, rate * BURST_S, subject)


def rate_limited(name: str, retry_after_s: float) -> LimitError:
    """Whole seconds, and never 0: told to come back at once, everybody would."""
    wait_s = max(1, -int(-retry_after_s // 1))
    return LimitError(
        "too many requests",
        code="rate_limited",
        hint=f"wait {wait_s} s, then go slower (limit {name}; GET …/quotas shows yours)",
        retry_after_s=wait_s,
    )
