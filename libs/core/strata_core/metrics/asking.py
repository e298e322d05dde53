"""Several questions about points at once: named, compared with an earlier range, and reckoned with each other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.instants import duration_ns
from strata_core.metrics.arithmetic import Node, names_in, parsed
from strata_core.metrics.planning import Segment
from strata_core.metrics.queries import MetricQuestion, query_answered, query_of
from strata_core.metrics.rules import too_many_points, window_start
from strata_core.metrics.told import Fill, FillMode, Range, Ranking, ToldSeries, filled, ranked, step_missing
from strata_core.metrics.vectors import reckoned, series_of, tags_of, vector_of
from strata_core.ports.clock import Clock
from strata_core.ports.metric_store import MetricStore
from strata_core.rollups.knowledge import TierStates
from strata_datamodel.errors import DeadlineError, InvalidError, Problem
from strata_datamodel.limits import QUERY_POINTS, QUERY_TIMEOUT_S
from strata_datamodel.metrics import AnswerSeries, MetricQuery


@dataclass(frozen=True, slots=True)
class Asked:
    """`compare` names shifts, as -1w: the same question is asked for the range so much earlier too. What is wrong with
    it is told to stand at `where`, a JSON pointer."""

    name: str
    question: MetricQuestion
    where: str = ""
    fill: Fill = FillMode.NONE
    ranking: Ranking | None = None
    compare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Shifted:
    """An earlier range's answer. Windows are told at the times they are compared with, segments at their own."""

    shift: str
    series: tuple[ToldSeries, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An expression has no segments: those of its queries tell."""

    name: str
    series: tuple[ToldSeries, ...]
    segments: tuple[Segment, ...] = ()
    compared: tuple[Shifted, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """What answers are made from."""

    store: MetricStore
    tiers: TierStates
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Prepared:
    asked: Asked
    query: MetricQuery
    shifts_ns: tuple[int, ...]


def all_told(
    ctx: Context, sources: Sources, asked: Sequence[Asked], expressions: Sequence[Expression], now_ns: int
) -> list[Told]:
    """In their order, expressions last. What can be refused is, before the store is bothered; all of it together has
    the points and the time of one question. Raises InvalidError, LimitError, DeadlineError."""
    require(ctx, "metrics:read")
    prepared = [_prepared(ctx, each, now_ns) for each in asked]
    trees = _read(prepared, expressions)
    _check_windows(prepared)
    budget = _Budget(sources.clock)
    told = [_told(ctx, sources, each, now_ns, budget) for each in prepared]
    used = _used(trees)
    known = {each.name: vector_of(each.series) for each in told if each.name in used}
    for expression, node in zip(expressions, trees, strict=True):
        found = reckoned(node, known)
        known[expression.name] = found
        told.append(Told(expression.name, budget.taken(series_of(found))))
    return told


def check_asked(
    ctx: Context, asked: Sequence[Asked], expressions: Sequence[Expression], now_ns: int
) -> list[MetricQuery]:
    """What is to be asked of the store. Raises what `all_told` would before it asks."""
    prepared = [_prepared(ctx, each, now_ns) for each in asked]
    _read(prepared, expressions)
    _check_windows(prepared)
    return [each.query for each in prepared]


class _Budget:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s = clock.monotonic_s() + QUERY_TIMEOUT_S
        self._points = 0

    def taken(self, series: tuple[ToldSeries, ...]) -> tuple[ToldSeries, ...]:
        self._points += sum(len(each.points) for each in series)
        if self._points > QUERY_POINTS:
            raise too_many_points(QUERY_POINTS)
        return series

    def check_time(self) -> None:
        if self._clock.monotonic_s() > self._until_s:
            raise DeadlineError(
                f"these questions together were not answered within {QUERY_TIMEOUT_S:g} s",
                hint="ask for shorter ranges, fewer series, or less at once",
            )


def _prepared(ctx: Context, asked: Asked, now_ns: int) -> _Prepared:
    with _standing_at(asked.where):
        query = query_of(ctx, asked.question, now_ns)
        if asked.fill is not FillMode.NONE and query.step_ns is None:
            raise step_missing()
        return _Prepared(asked, query, tuple(_shift_ns(each, query) for each in asked.compare))


@contextmanager
def _standing_at(where: str) -> Iterator[None]:
    try:
        yield
    except InvalidError as error:
        error.problems = tuple(Problem(where + each.where, each.detail) for each in error.problems)
        raise


def _shift_ns(text: str, query: MetricQuery) -> int:
    if not text.startswith("-"):
        raise InvalidError(
            "a comparison looks back", code="bad_compare", problems=[Problem("/compare", "expected one like -1w")]
        )
    shift_ns = duration_ns(text[1:], where="/compare")
    if query.step_ns is not None and shift_ns % query.step_ns:
        raise InvalidError(
            "windows of both ranges have to lie over each other",
            code="bad_compare",
            hint="compare with a range that is a whole number of steps earlier",
        )
    return shift_ns


def _read(prepared: Sequence[_Prepared], expressions: Sequence[Expression]) -> list[Node]:
    names = [each.asked.name for each in prepared] + [each.name for each in expressions]
    if len(set(names)) != len(names):
        raise InvalidError("each query and expression has a name of its own", code="bad_query")
    trees = [parsed(each.text) for each in expressions]
    grids = {each.asked.name: _grid(each.query) for each in prepared}
    if len({grids[name] for name in _used(trees) if name in grids}) > 1:
        raise InvalidError(
            "an expression joins windows, and those of its queries differ",
            code="bad_expression",
            hint="give its queries one step, or one range where there is none",
        )
    tags = {each.asked.name: frozenset(each.query.group_by) for each in prepared}
    for expression, node in zip(expressions, trees, strict=True):
        tags[expression.name] = tags_of(node, tags)
    return trees


def _used(trees: Sequence[Node]) -> set[str]:
    return {name for node in trees for name in names_in(node)}


def _grid(query: MetricQuery) -> tuple[int, int | None]:
    return (query.from_ns if query.step_ns is None else 0), query.step_ns


def _check_windows(prepared: Sequence[_Prepared]) -> None:
    """One series of each has so many, and most have more."""
    windows = sum(_windows(each.query) * (1 + len(each.shifts_ns)) for each in prepared)
    if windows > QUERY_POINTS:
        raise too_many_points(QUERY_POINTS)


def _windows(query: MetricQuery) -> int:
    return 1 if query.step_ns is None else (query.to_ns - query.from_ns) // query.step_ns


def _told(ctx: Context, sources: Sources, each: _Prepared, now_ns: int, budget: _Budget) -> Told:
    budget.check_time()
    result = query_answered(ctx, sources.store, each.query, now_ns, sources.tiers)
    best = result.series if each.asked.ranking is None else ranked(result.series, each.asked.ranking)
    series = budget.taken(filled(best, each.asked.fill, _range(each.query)))
    shown = None if each.asked.ranking is None else [dict(found.tags) for found in best]
    compared = tuple(
        _shifted(ctx, sources, each, (text, shift_ns), shown, now_ns, budget)
        for text, shift_ns in zip(each.asked.compare, each.shifts_ns, strict=True)
    )
    return Told(each.asked.name, series, result.segments, compared)


def _shifted(
    ctx: Context,
    sources: Sources,
    each: _Prepared,
    shift: tuple[str, int],
    shown: Sequence[Mapping[str, str]] | None,
    now_ns: int,
    budget: _Budget,
) -> Shifted:
    """Of series that are ranked, those that were picked: else there would be nothing to compare with."""
    text, shift_ns = shift
    budget.check_time()
    earlier = replace(each.query, from_ns=each.query.from_ns - shift_ns, to_ns=each.query.to_ns - shift_ns)
    result = query_answered(ctx, sources.store, earlier, now_ns, sources.tiers)
    kept = [found for found in result.series if shown is None or dict(found.tags) in shown]
    moved = [_moved(found, shift_ns // 1_000_000) for found in kept]
    return Shifted(text, budget.taken(filled(moved, each.asked.fill, _range(each.query))), result.segments)


def _moved(series: AnswerSeries, by_ms: int) -> AnswerSeries:
    return AnswerSeries(series.tags, tuple((start + by_ms, value) for start, value in series.points))


def _range(query: MetricQuery) -> Range:
    return Range(window_start(query.from_ns, query.step_ns), query.to_ns, query.step_ns)
