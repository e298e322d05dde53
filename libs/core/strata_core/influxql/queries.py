"""InfluxQL as it is asked: text in, results out, each statement with its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.influxql.catalogue import Catalogue
from strata_core.influxql.checking import check
from strata_core.influxql.parser import Parameters, parsed
from strata_core.influxql.pushing import Pusher
from strata_core.influxql.reading import Reader
from strata_core.influxql.refusals import not_supported
from strata_core.influxql.resolving import resolved, time_column
from strata_core.influxql.selecting import Answered, Stores, answered
from strata_core.influxql.showing import Listed, shown
from strata_core.influxql.syntax import Refused, Select, Show, Statement
from strata_core.ports.clock import Clock
from strata_core.ports.metric_readings import MetricReadings
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.rollups.knowledge import TierStates
from strata_datamodel.errors import DeadlineError, ErrorKind, StrataError
from strata_datamodel.limits import REQUEST_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Selected:
    time_column: str
    columns: tuple[str, ...]
    series: list[Answered]


@dataclass(frozen=True, slots=True)
class Result:
    """Of a statement: what it tells, or why not."""

    statement: int
    told: Selected | list[Listed] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What a question is answered from."""

    unit: Callable[[], AbstractContextManager[UnitOfWork]]
    store: MetricStore
    readings: MetricReadings
    tiers: TierStates
    clock: Clock


def influxql_asked(
    ctx: Context, sources: Sources, text: str, database: str, parameters: Parameters | None = None
) -> Iterator[Result]:
    """A statement that is refused ends it: those after it are told to be not executed. Raises ParseError and LimitError
    before the first result, and what stores raise when they are down."""
    require(ctx, "metrics:read")
    statements = parsed(text, parameters)
    return _results(ctx, sources, statements, database)


def _results(ctx: Context, sources: Sources, statements: list[Statement], database: str) -> Iterator[Result]:
    ends_s = sources.clock.monotonic_s() + REQUEST_TIMEOUT_S
    failed = False
    for number, statement in enumerate(statements):
        if failed:
            yield Result(number, error="not executed")
            continue
        try:
            if sources.clock.monotonic_s() > ends_s:
                raise DeadlineError("the statements before this one took all the time there is")
            yield Result(number, _told(ctx, sources, statement, database))
        except StrataError as error:
            if error.kind is ErrorKind.UNAVAILABLE and number == 0:
                raise
            failed = True
            yield Result(number, error=worded(error))


def worded(error: StrataError) -> str:
    """As there is one place for it, with what to do about it."""
    return error.detail if error.hint is None else f"{error.detail}; {error.hint}"


def _told(ctx: Context, sources: Sources, statement: Statement, database: str) -> Selected | list[Listed]:
    now_ns = sources.clock.now_ns()
    catalogue = Catalogue(sources.unit, database)
    match statement:
        case Refused(name=name):
            raise not_supported(name)
        case Show():
            return shown(statement, catalogue, now_ns)
        case Select():
            return _selected(ctx, sources, statement, catalogue, now_ns)


def _selected(ctx: Context, sources: Sources, select: Select, catalogue: Catalogue, now_ns: int) -> Selected:
    check(select, now_ns)
    time_name = time_column(select)
    found = resolved(select, catalogue)
    state = sources.tiers.of(ctx.organization_id, now_ns)
    reader = Reader(sources.readings, ctx.organization_id, state)
    stores = Stores(catalogue, reader, Pusher(sources.store, ctx.organization_id, state, now_ns), now_ns)
    return Selected(time_name, found.columns, answered(found, stores))
