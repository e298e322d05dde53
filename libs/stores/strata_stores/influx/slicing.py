# ruff: noqa: S608 - the statements are put together from quoted names and bound values, nothing else
"""What an InfluxDB holds of one organization, piece by piece."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strata_core.metrics.histograms import merged
from strata_core.metrics.slices import too_large
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey, Tags
from strata_datamodel.slices import WindowSlice
from strata_datamodel.tiers import RESOLUTION_NS, Tier
from strata_stores.influx.influxql import Bindings, Place, all_field_keys, is_of, within
from strata_stores.influx.names import (
    COUNTS,
    ORGANIZATION,
    field_of,
    field_of_count,
    logical_measurement,
    logical_tag,
    physical_measurement,
    physical_tag,
)
from strata_stores.influx.refusals import is_accepted, is_too_old
from strata_stores.influx.rolling_up import Group, Link, pieces
from strata_stores.influx.window_lines import bodies, prefixes, window_lines
from strata_stores.influx.window_rows import Field, gathered, selected, windows_in
from strata_stores.influx.windows import Histograms, Spread, Values, Windows

_HOUR_NS: Final = RESOLUTION_NS[Tier.HOUR]
_STATEMENTS_A_REQUEST: Final = 32
_POINTS_A_STATEMENT: Final = 16
_WINDOWS_A_STATEMENT: Final = 2


@dataclass(slots=True)
class _Columns:
    """Pieces of columns, put together at the end."""

    limit: int
    series: dict[SeriesKey, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    index: list[NDArray[np.int32]] = field(default_factory=list)
    windows: list[Windows] = field(default_factory=list)
    classes: list[FieldClass] = field(default_factory=list)
    rows: int = 0

    def add(self, measurement: str, tags: Sequence[Tags], of_field: Field, windows: Windows) -> None:
        if not len(windows):
            return
        self.rows += len(windows)
        if self.rows > self.limit:
            raise too_large(self.limit)
        name, field_class = of_field
        keys = [SeriesKey(measurement, each, name, field_class) for each in tags]
        places = np.zeros(len(keys), np.int32)
        for owner in np.unique(windows.owners).tolist():
            places[owner] = self.series.setdefault(keys[owner], len(self.series))
        self.index.append(places[windows.owners])
        self.windows.append(windows)
        self.classes.append(field_class)

    def ends(self, name: str) -> NDArray[np.float64]:
        return _joined([self._numbers(getattr(each, name), of) for each, of in self._each()], np.float64)

    def whole(self, name: str) -> NDArray[np.int64]:
        return _joined([getattr(each, name) for each in self.windows], np.int64)

    def spread(self, name: str) -> NDArray[np.float64]:
        return _joined(
            [np.zeros(len(each)) if each.spread is None else getattr(each.spread, name) for each in self.windows],
            np.float64,
        )

    def histograms(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        found, at = [], 0
        for each in self.windows:
            if each.spread is not None and each.spread.histograms is not None:
                part = each.spread.histograms
                found.append((part.rows + at, part.buckets, part.counts))
            at += len(each)
        return merged(*(_joined([part[column] for part in found], np.int64) for column in range(3)))

    def _each(self) -> Iterator[tuple[Windows, FieldClass]]:
        return zip(self.windows, self.classes, strict=True)

    def _numbers(self, values: Values, field_class: FieldClass) -> NDArray[np.float64]:
        if field_class is not FieldClass.STRING:
            return values.astype(np.float64)
        return np.array([self.texts.setdefault(text, len(self.texts)) for text in values.tolist()], np.float64)


def hours_held(link: Link, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> Mapping[int, int]:
    bindings, place = Bindings(), Place(link.database, tier)
    counted = "*" if tier is Tier.RAW else COUNTS
    terms = " AND ".join((is_of(organization_id, bindings), *within(from_ns, to_ns)))
    statement = f"SELECT count({counted}) FROM {place.everything()} WHERE {terms} GROUP BY time(1h) fill(none)"
    held: Counter[int] = Counter()
    with link.ask([statement], bindings) as parts:
        for part in parts:
            for start, *counts in part.values:
                held[start] += sum(count or 0 for count in counts)
    return {hour: count for hour, count in held.items() if count}


def point_slice(link: Link, organization_id: OrganizationId, from_ns: int, to_ns: int, limit: int) -> PointBatch:
    found = _gathered(link, organization_id, Tier.RAW, (from_ns, to_ns), limit)
    values = found.ends("lasts")
    series, texts = tuple(found.series), tuple(found.texts)
    return PointBatch(organization_id, series, _joined(found.index, np.int32), found.whole("last_ns"), values, texts)


def window_slice(
    link: Link, organization_id: OrganizationId, tier: Tier, span: tuple[int, int], limit: int
) -> WindowSlice:
    found = _gathered(link, organization_id, tier, span, limit)
    firsts, lasts = found.ends("firsts"), found.ends("lasts")
    return WindowSlice(
        organization_id,
        tier,
        tuple(found.series),
        _joined(found.index, np.int32),
        found.whole("starts"),
        found.whole("counts"),
        firsts,
        found.whole("first_ns"),
        lasts,
        found.whole("last_ns"),
        found.spread("sums"),
        found.spread("minima"),
        found.spread("maxima"),
        found.spread("rises"),
        *found.histograms(),
        tuple(found.texts),
    )


def write_windows(link: Link, windows: WindowSlice) -> None:
    for body in bodies(_lines(windows)):
        reply = link.post(windows.tier, body)
        # What is older than the tier keeps is let go by it as soon as it is written: no loss, and no error.
        if not is_accepted(reply) and not is_too_old(reply):
            raise reply.unavailable()


def _gathered(link: Link, organization_id: OrganizationId, tier: Tier, span: tuple[int, int], limit: int) -> _Columns:
    found, place = _Columns(limit), Place(link.database, tier)
    for request in pieces(list(_groups(link, place)), _STATEMENTS_A_REQUEST):
        bindings = Bindings()
        terms = " AND ".join((is_of(organization_id, bindings), *within(*span)))
        statements = [
            f"SELECT {selected(place, fields)} FROM {place.physical_source(name)} WHERE {terms} GROUP BY *"
            for name, fields in request
        ]
        with link.ask(statements, bindings) as parts:
            for rows in gathered(parts, RESOLUTION_NS[tier]):
                name, fields = request[rows.statement]
                tags = [_tags(each) for each in rows.tags]
                for each, windows in windows_in(rows, tier, fields):
                    found.add(logical_measurement(name), tags, each, windows)
    return found


def _groups(link: Link, place: Place) -> Iterator[Group]:
    """Of all organizations: InfluxDB tells the fields of one no other way than by reading its points."""
    size = _POINTS_A_STATEMENT if place.tier is Tier.RAW else _WINDOWS_A_STATEMENT
    with link.ask([all_field_keys(place)], Bindings()) as parts:
        found = [(part.name, [str(row[0]) for row in part.values]) for part in parts]
    for name, keys in found:
        fields = [field_of(key) if place.tier is Tier.RAW else field_of_count(key) for key in keys]
        for some in pieces([each for each in fields if each is not None], size):
            yield name, some


def _lines(windows: WindowSlice) -> Iterator[str]:
    for place, key in enumerate(windows.series):
        rows = np.flatnonzero(windows.series_index == place)
        if not len(rows):
            continue
        tags = {ORGANIZATION: str(windows.organization_id)} | {physical_tag(name): value for name, value in key.tags}
        begin = prefixes(physical_measurement(key.measurement), windows.tier, [tags])
        yield from window_lines(begin, (key.field, key.field_class), _of_series(windows, rows, key.field_class))


def _of_series(windows: WindowSlice, rows: NDArray[np.intp], field_class: FieldClass) -> Windows:
    def ends(column: NDArray[np.float64]) -> Values:
        if field_class is not FieldClass.STRING:
            return column[rows]
        return np.array([windows.texts[int(each)] for each in column[rows].tolist()], object)

    return Windows(
        np.zeros(len(rows), np.int64),
        windows.start_ns[rows],
        windows.counts[rows],
        ends(windows.firsts),
        windows.first_ns[rows],
        ends(windows.lasts),
        windows.last_ns[rows],
        _spread_of(windows, rows) if field_class is FieldClass.NUMBER else None,
    )


def _spread_of(windows: WindowSlice, rows: NDArray[np.intp]) -> Spread:
    row_of = np.full(len(windows), -1, np.int64)
    row_of[rows] = np.arange(len(rows))
    mine = row_of[windows.bucket_rows]
    kept = mine >= 0
    histograms = Histograms(*merged(mine[kept], windows.buckets[kept], windows.bucket_counts[kept]))
    return Spread(windows.sums[rows], windows.minima[rows], windows.maxima[rows], windows.rises[rows], histograms)


def _tags(physical: Mapping[str, str]) -> Tags:
    pairs = ((logical_tag(name), value) for name, value in physical.items() if value)
    return tuple(sorted((name, value) for name, value in pairs if name is not None))


def _joined(parts: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate(parts).astype(kind) if parts else np.empty(0, kind)
