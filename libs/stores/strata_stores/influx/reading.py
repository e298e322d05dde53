# ruff: noqa: S608 - the statements are put together from quoted names and bound values, nothing else
"""Points of named series, as they were sent or as a tier keeps their windows' ends."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from strata_core.metrics.rules import too_many_points
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, Readings, SeriesKey, Tags
from strata_datamodel.tiers import Stretch, Tier
from strata_stores.influx.answering import Ask
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.influxql import Bindings, Place, has_all, identifier, is_of, within
from strata_stores.influx.names import ORGANIZATION, TIER, Column, physical_field, physical_tag, window_field
from strata_stores.influx.rolling_up import pieces

_SERIES_A_STATEMENT: Final = 50
_STATEMENTS_A_REQUEST: Final = 16
_OURS: Final = (ORGANIZATION, TIER)


@dataclass(frozen=True, slots=True)
class _Question:
    stretch: Stretch
    positions: Mapping[tuple[tuple[str, str], ...], int]
    """Where in the answer a series is, by its tags as InfluxDB calls them."""
    series: Sequence[SeriesKey]
    """Of one measurement and one field."""


@dataclass(slots=True)
class _Gathered:
    limit: int
    index: list[int] = field(default_factory=list)
    time_ns: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, position: int, tier: Tier, rows: Sequence[Sequence[Any]]) -> None:
        if len(self.index) + len(rows) > self.limit:
            raise too_many_points(self.limit)
        self.index.extend([position] * len(rows))
        self.time_ns.extend(row[0 if tier is Tier.RAW else 2] for row in rows)
        self.values.extend(row[1] for row in rows)


def readings(
    ask: Ask,
    database: str,
    organization_id: OrganizationId,
    series: Sequence[SeriesKey],
    stretches: Sequence[Stretch],
    limit: int,
) -> Readings:
    gathered = _Gathered(limit)
    for request in pieces(list(_questions(series, stretches)), _STATEMENTS_A_REQUEST):
        bindings = Bindings()
        statements = [_statement(database, organization_id, each, bindings) for each in request]
        with ask(statements, bindings) as parts:
            for part in parts:
                asked = request[part.statement]
                position = asked.positions.get(_tags_of(part))
                if position is not None:  # else one with more tags than were asked for
                    gathered.add(position, asked.stretch.tier, part.values)
    return _readings(series, gathered)


def _questions(series: Sequence[SeriesKey], stretches: Sequence[Stretch]) -> Iterator[_Question]:
    fields: dict[tuple[str, str], list[int]] = {}
    for position, key in enumerate(series):
        fields.setdefault((key.measurement, key.field), []).append(position)
    for stretch in stretches:
        for positions in fields.values():
            for some in pieces(positions, _SERIES_A_STATEMENT):
                by_tags = {_physical(series[position].tags): position for position in some}
                yield _Question(stretch, by_tags, [series[position] for position in some])


def _statement(database: str, organization_id: OrganizationId, asked: _Question, bindings: Bindings) -> str:
    key, stretch = asked.series[0], asked.stretch
    names = [physical_field(key.field, key.field_class)]
    if stretch.tier is not Tier.RAW:
        names = [window_field(key.field, key.field_class, column) for column in (Column.LAST, Column.LAST_NS)]
    terms = [is_of(organization_id, bindings), *within(stretch.from_ns, stretch.to_ns)]
    if all(each.tags for each in asked.series):
        terms.append(f"({' OR '.join(has_all(each.tags, bindings) for each in asked.series)})")
    source = Place(database, stretch.tier).source(key.measurement)
    return f"SELECT {', '.join(map(identifier, names))} FROM {source} WHERE {' AND '.join(terms)} GROUP BY *"


def _physical(tags: Tags) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((physical_tag(name), value) for name, value in tags))


def _tags_of(part: ResultSeries) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in part.tags.items() if value and name not in _OURS))


def _readings(series: Sequence[SeriesKey], gathered: _Gathered) -> Readings:
    index = np.array(gathered.index, np.int32)
    order = np.argsort(index, kind="stable")  # stretches came in order of time
    texts: tuple[str, ...] = ()
    values = gathered.values
    if series and series[0].field_class is FieldClass.STRING:
        texts = tuple(dict.fromkeys(values))
        numbers = {text: number for number, text in enumerate(texts)}
        values = [numbers[text] for text in values]
    time_ns = np.array(gathered.time_ns, np.int64)
    return Readings(tuple(series), index[order], time_ns[order], np.array(values, np.float64)[order], texts)
