"""What makes two series the same, and which new ones an organization may have."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from strata_core.quotas.rules import Quota
from strata_datamodel.metrics import SeriesKey
from strata_datamodel.refused_series import RefusedSeries

_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class SeriesHeld:
    """What an organization has in its catalogue, and what came to it in the hour of the clock."""

    total: int
    new_in_hour: int


@dataclass(frozen=True, slots=True)
class Decision:
    admitted: tuple[SeriesKey, ...]
    refused: tuple[RefusedSeries, ...]


def fingerprint(key: SeriesKey) -> bytes:
    """Equal for equal keys, over restarts and machines; each part is delimited, so none can run into the next."""
    parts = (key.measurement, key.field, key.field_class.value, key.tags)
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=_BYTES, person=b"strata.series").digest()


def decide(fresh: Sequence[SeriesKey], held: SeriesHeld, quotas: Mapping[Quota, int]) -> Decision:
    """In their order, each under the first limit that keeps it out. Series that are in the catalogue are not asked."""
    admitted: list[SeriesKey] = []
    refused: list[RefusedSeries] = []
    for key in fresh:
        limit = _limit_of(key, SeriesHeld(held.total + len(admitted), held.new_in_hour + len(admitted)), quotas)
        if limit is None:
            admitted.append(key)
        else:
            refused.append(RefusedSeries(key, limit.value, quotas[limit]))
    return Decision(tuple(admitted), tuple(refused))


def _limit_of(key: SeriesKey, held: SeriesHeld, quotas: Mapping[Quota, int]) -> Quota | None:
    if len(key.tags) > quotas[Quota.LABELS_OF_A_SERIES]:
        return Quota.LABELS_OF_A_SERIES
    if held.total >= quotas[Quota.SERIES]:
        return Quota.SERIES
    if held.new_in_hour >= quotas[Quota.NEW_SERIES]:
        return Quota.NEW_SERIES
    return None
