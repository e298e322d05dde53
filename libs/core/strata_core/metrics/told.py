"""What is done with an answer before it is told: the best are picked, windows without a point are filled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np

from strata_core.metrics.rules import too_many_points, window_start
from strata_datamodel.errors import InvalidError
from strata_datamodel.limits import QUERY_POINTS
from strata_datamodel.metrics import AnswerSeries

_NS_PER_MS: Final = 1_000_000
Value: TypeAlias = float | str | None
Point: TypeAlias = tuple[int, Value]


@dataclass(frozen=True, slots=True)
class ToldSeries:
    """As AnswerSeries; a value of None is a window without a point."""

    tags: Mapping[str, str]
    points: tuple[Point, ...]


class FillMode(StrEnum):
    NONE = "none"
    NULL = "null"
    PREVIOUS = "previous"
    LINEAR = "linear"


Fill: TypeAlias = FillMode | float
"""What stands in windows without a point. Before the first value there is no previous one, and beyond the first and the
last no line."""


_OF_TEXTS: Final = frozenset({FillMode.NULL, FillMode.PREVIOUS})


class Reducer(StrEnum):
    """What series are compared by."""

    LAST = "last"
    MIN = "min"
    MAX = "max"
    AVG = "avg"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Ranking:
    count: int
    by: Reducer
    is_top: bool


@dataclass(frozen=True, slots=True)
class Range:
    from_ns: int
    to_ns: int
    step_ns: int | None


def ranked(series: Sequence[AnswerSeries], ranking: Ranking) -> tuple[AnswerSeries, ...]:
    """The best come first; of equal ones those whose tags do."""
    marks = [_reduced(each, ranking.by) for each in series]
    order = sorted(range(len(series)), key=lambda place: (-marks[place] if ranking.is_top else marks[place], place))
    return tuple(series[place] for place in order[: ranking.count])


def filled(series: Sequence[AnswerSeries], fill: Fill, asked: Range) -> tuple[ToldSeries, ...]:
    """Raises LimitError (code `query_points`) before anything is filled, and InvalidError (code `bad_fill`)."""
    if fill is FillMode.NONE:
        return tuple(ToldSeries(each.tags, each.points) for each in series)
    if asked.step_ns is None:
        raise step_missing()
    first_ns = window_start(asked.from_ns, asked.step_ns)
    starts = range(first_ns // _NS_PER_MS, -(-asked.to_ns // _NS_PER_MS), asked.step_ns // _NS_PER_MS)
    if len(starts) * len(series) > QUERY_POINTS:
        raise too_many_points(QUERY_POINTS)
    return tuple(ToldSeries(each.tags, tuple(_filled(each, fill, starts))) for each in series)


def step_missing() -> InvalidError:
    return InvalidError("only windows of a step can be filled", code="bad_fill", hint="name a step")


def _filled(series: AnswerSeries, fill: Fill, starts: range) -> Iterator[Point]:
    """What is in the answer, and what stands between."""
    if fill not in _OF_TEXTS and any(isinstance(value, str) for _, value in series.points):
        raise InvalidError("texts are filled with null or the previous one", code="bad_fill")
    known = dict(series.points)
    if fill is FillMode.LINEAR:
        times = list(known)
        within = [start for start in starts if times[0] <= start <= times[-1]]
        yield from zip(
            within, np.interp(within, times, np.array(list(known.values()), np.float64)).tolist(), strict=True
        )
        return
    between: Value = None if isinstance(fill, FillMode) else fill
    for start in starts:
        value = known.get(start, between)
        if fill is FillMode.PREVIOUS:
            between = value
        if value is not None or fill is FillMode.NULL:
            yield start, value


def _reduced(series: AnswerSeries, by: Reducer) -> float:
    values = [value for _, value in series.points if not isinstance(value, str)]
    if len(values) != len(series.points):
        raise InvalidError("texts have no order to be ranked by", code="bad_ranking", hint="use count or distinct")
    match by:
        case Reducer.LAST:
            return values[-1]
        case Reducer.MIN:
            return min(values)
        case Reducer.MAX:
            return max(values)
        case Reducer.SUM:
            return sum(values)
        case Reducer.AVG:
            return sum(values) / len(values)
