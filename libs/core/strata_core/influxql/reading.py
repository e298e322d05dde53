"""Points of series, read and put side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strata_core.influxql.catalogue import Table
from strata_core.influxql.columns import BOOLEAN, KIND_OF, STRING, Column, Times, missing, of
from strata_core.influxql.rows import Block
from strata_core.ports.metric_readings import MetricReadings
from strata_core.rollups.queries import TierState
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, Readings, SeriesKey, Tags
from strata_datamodel.tiers import RESOLUTION_NS, ROLLED_UP, Stretch, Tier

_Parts = dict[str, tuple[Times, Column]]


@dataclass(frozen=True, slots=True)
class Reader:
    store: MetricReadings
    organization_id: OrganizationId
    state: TierState

    def blocks(self, table: Table, keys: Sequence[SeriesKey], first_ns: int, last_ns: int, limit: int) -> list[Block]:
        """A block for each series that has points, fields of it together. Raises LimitError (code `query_points`)."""
        stretches = finest_stretches(first_ns, last_ns + 1, self.state)
        by_tags: dict[Tags, _Parts] = {}
        for field_class in FieldClass if stretches else ():
            of_class = [
                key for key in keys if key.field_class is field_class and table.fields[key.field] is field_class
            ]
            if not of_class:
                continue
            readings = self.store.readings(self.organization_id, of_class, stretches, limit)
            limit -= len(readings.time_ns)
            for key, time, column in _apart(readings, field_class):
                by_tags.setdefault(key.tags, {})[key.field] = (time, column)
        return [_block(table.name, tags, by_tags[tags]) for tags in sorted(by_tags)]


def finest_stretches(from_ns: int, to_ns: int, state: TierState) -> list[Stretch]:
    """Points where they are kept; of what is older the finest windows that are."""
    found: list[Stretch] = []
    until_ns = to_ns
    for tier in (Tier.RAW, *ROLLED_UP):
        if tier is not Tier.RAW and tier not in state.through_ns:
            continue
        width_ns = 1 if tier is Tier.RAW else RESOLUTION_NS[tier]
        begin_ns = -(-max(from_ns, state.kept_from_ns[tier]) // width_ns) * width_ns
        end_ns = until_ns // width_ns * width_ns
        if begin_ns < end_ns:
            found.insert(0, Stretch(tier, begin_ns, end_ns))
            until_ns = begin_ns
    return found


def kept_from_ns(state: TierState) -> int:
    """Before this nothing is kept."""
    return min(state.kept_from_ns[tier] for tier in (Tier.RAW, *(t for t in ROLLED_UP if t in state.through_ns)))


def _apart(readings: Readings, field_class: FieldClass) -> Iterator[tuple[SeriesKey, Times, Column]]:
    bounds = np.searchsorted(readings.series_index, np.arange(len(readings.series) + 1))
    texts = np.array(readings.texts, dtype=object)
    kind = KIND_OF[field_class]
    for number, key in enumerate(readings.series):
        begin, end = bounds[number], bounds[number + 1]
        if begin == end:
            continue
        values = readings.values[begin:end]
        if kind == STRING:
            yield key, readings.time_ns[begin:end], of(STRING, texts[values.astype(np.intp)])
        else:
            yield key, readings.time_ns[begin:end], of(kind, values.astype(np.bool_) if kind == BOOLEAN else values)


def _block(name: str, tags: Tags, parts: Mapping[str, tuple[Times, Column]]) -> Block:
    first = next(iter(parts.values()))[0]
    if all(len(time) == len(first) and np.array_equal(time, first) for time, _ in parts.values()):
        return Block(name, dict(tags), first, {field: column for field, (_, column) in parts.items()})
    whole = np.unique(np.concatenate([time for time, _ in parts.values()]))
    columns = {}
    for field, (time, column) in parts.items():
        spread = missing(column.kind, len(whole))
        at = np.searchsorted(whole, time)
        spread.values[at], spread.valid[at] = column.values, True
        columns[field] = spread
    return Block(name, dict(tags), whole, columns)
