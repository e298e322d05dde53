"""Batches and questions, short to write."""

from dataclasses import dataclass

import numpy as np

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, MetricQuery, PointBatch, SeriesKey, TagFilter
from strata_datamodel.spooling import SpoolPosition

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Point:
    """`value` of a float is a number, of a str a string, of a bool a boolean."""

    time_ns: int
    value: float | str | bool
    tags: tuple[tuple[str, str], ...] = ()
    measurement: str = "cpu"
    field: str = "usage"

    @property
    def series(self) -> SeriesKey:
        return SeriesKey(self.measurement, tuple(sorted(self.tags)), self.field, _class_of(self.value))


def point(
    time_ns: int, value: float | str | bool, *, measurement: str = "cpu", field: str = "usage", **tags: str
) -> Point:
    return Point(time_ns, value, tuple(sorted(tags.items())), measurement, field)


def batch_of(organization_id: OrganizationId, *points: Point, source: SpoolPosition | None = None) -> PointBatch:
    series = {key: number for number, key in enumerate(dict.fromkeys(each.series for each in points))}
    texts: list[str] = []
    values: list[float] = []
    for each in points:
        if isinstance(each.value, str):
            texts.append(each.value)
            values.append(len(texts) - 1)
        else:
            values.append(float(each.value))
    return PointBatch(
        organization_id,
        tuple(series),
        np.array([series[each.series] for each in points], np.int32),
        np.array([each.time_ns for each in points], np.int64),
        np.array(values, np.float64),
        tuple(texts),
        source,
    )


def question(
    organization_id: OrganizationId,
    from_ns: int,
    to_ns: int,
    aggregate: Aggregate = Aggregate.COUNT,
    *,
    measurement: str = "cpu",
    field: str = "usage",
    step_ns: int | None = None,
    percentile: float | None = None,
    filters: tuple[TagFilter, ...] = (),
    group_by: tuple[str, ...] = (),
) -> MetricQuery:
    return MetricQuery(
        organization_id,
        measurement,
        field,
        aggregate,
        from_ns,
        to_ns,
        step_ns=step_ns,
        percentile=percentile,
        filters=filters,
        group_by=group_by,
    )


def _class_of(value: float | str | bool) -> FieldClass:
    if isinstance(value, bool):
        return FieldClass.BOOLEAN
    return FieldClass.STRING if isinstance(value, str) else FieldClass.NUMBER
