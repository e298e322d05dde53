"""Series and their numbers within the files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import duckdb
import msgspec
import pyarrow as pa

from strata_core.metrics.rules import FIELD_CLASS_ORDER, refusal_of_series
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import SeriesKey
from strata_stores.duckdb.frames import registered, single_value
from strata_stores.series_cache import SeriesCache

CLASS_RANKS: Final = {field_class: rank for rank, field_class in enumerate(FIELD_CLASS_ORDER)}
REFUSED: Final = -1
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class NewSeries:
    sid: int
    digest: bytes
    key: SeriesKey


@dataclass(frozen=True, slots=True)
class Numbering:
    """A number for each series of a batch, REFUSED for one that cannot be stored; `new` has to be inserted."""

    sids: list[int]
    new: list[NewSeries]
    refusals: dict[int, str]


@dataclass(slots=True)
class Catalogue:
    """Only the writer uses it, so that nobody else hands out numbers."""

    next_sid: int
    _cache: SeriesCache[int] = field(default_factory=SeriesCache)

    @staticmethod
    def load(cursor: duckdb.DuckDBPyConnection) -> "Catalogue":
        return Catalogue(single_value(cursor, "SELECT coalesce(max(sid), -1) + 1 FROM series"))

    def number(
        self, cursor: duckdb.DuckDBPyConnection, organization_id: OrganizationId, series: Sequence[SeriesKey]
    ) -> Numbering:
        """Nothing is remembered before `adopt`: the transaction may fail."""
        known = self._cache.find_all(organization_id, series)
        if known is not None:
            return Numbering(known, [], {})
        found = self._cache.find(organization_id, series)
        unknown = [position for position, sid in enumerate(found) if sid is None]
        refusals = {
            position: reason for position in unknown if (reason := refusal_of_series(series[position])) is not None
        }
        digests = {p: _digest(organization_id, series[p]) for p in unknown if p not in refusals}
        stored = _stored_sids(cursor, set(digests.values()))
        new: dict[bytes, NewSeries] = {}
        for position, digest in digests.items():
            if digest in stored:
                self._cache.remember(organization_id, series[position], stored[digest])
            elif digest not in new:
                new[digest] = NewSeries(self.next_sid + len(new), digest, series[position])
            found[position] = stored[digest] if digest in stored else new[digest].sid
        return Numbering([REFUSED if sid is None else sid for sid in found], list(new.values()), refusals)

    def adopt(self, organization_id: OrganizationId, new: Sequence[NewSeries]) -> None:
        """They are committed."""
        self.next_sid += len(new)
        for series in new:
            self._cache.remember(organization_id, series.key, series.sid)

    def forget(self, organization_id: OrganizationId) -> None:
        self._cache.forget(organization_id)


def insert_series(cursor: duckdb.DuckDBPyConnection, organization_id: OrganizationId, new: Sequence[NewSeries]) -> None:
    if not new:
        return
    table = pa.table(
        {
            "sid": pa.array([series.sid for series in new], pa.int32()),
            "digest": pa.array([series.digest for series in new], pa.binary()),
            "measurement": pa.array([series.key.measurement for series in new], pa.string()),
            "field": pa.array([series.key.field for series in new], pa.string()),
            "class": pa.array([CLASS_RANKS[series.key.field_class] for series in new], pa.int8()),
            "tags": pa.array([list(series.key.tags) for series in new], pa.map_(pa.string(), pa.string())),
        }
    )
    with registered(cursor, "new_series", table):
        cursor.execute(
            "INSERT INTO series BY NAME SELECT *, $organization::UUID AS organization FROM new_series",
            {"organization": str(organization_id)},
        )


def stored_sids(
    cursor: duckdb.DuckDBPyConnection, organization_id: OrganizationId, series: Sequence[SeriesKey]
) -> dict[int, int]:
    """The numbers of those that the organization has, by their place in `series`."""
    digests = {_digest(organization_id, key): place for place, key in enumerate(series)}
    return {digests[digest]: sid for digest, sid in _stored_sids(cursor, set(digests)).items()}


def _stored_sids(cursor: duckdb.DuckDBPyConnection, digests: set[bytes]) -> dict[bytes, int]:
    if not digests:
        return {}
    wanted = pa.table({"digest": pa.array(list(digests), pa.binary())})
    with registered(cursor, "wanted", wanted):
        rows = cursor.execute("SELECT digest, sid FROM series SEMI JOIN wanted USING (digest)").fetchall()
    return dict(rows)


def _digest(organization_id: OrganizationId, key: SeriesKey) -> bytes:
    parts = (organization_id, key.measurement, key.field, key.field_class, key.tags)
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=_DIGEST_BYTES).digest()
