"""What a host's metrics were last, from where they stand ready or else from the metric store."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import case, literal, or_, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.inventory.queries import host
from strata_core.metrics.rules import FIELD_CLASS_ORDER
from strata_core.ports.latest_values import LatestValues
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import DeadlineError, UnavailableError
from strata_datamodel.ids import HostId, OrganizationId
from strata_datamodel.latest import HOST_TAGS, LatestValue, Metric, Values
from strata_datamodel.limits import FUTURE_SECONDS, LATEST_METRICS
from strata_datamodel.metrics import Aggregate, FieldClass, FilterOp, MetricQuery, TagFilter
from strata_datamodel.tables.series import metric_series

REACH_S: Final = 24 * 3_600
"""How long ago the newest value of a metric may be to be shown."""
_FILLERS: Final = 2
_WAITING: Final = 4
_QUEUE_S: Final = 10.0
_MINUTE_NS: Final = 60 * 1_000_000_000
_MS_NS: Final = 1_000_000
_CLASSES: Final = [each.value for each in FIELD_CLASS_ORDER]
Series = tuple[str, str, str, str]
"""Measurement, field, its class, and the tag that names the host."""


@dataclass(frozen=True, slots=True)
class HostValues:
    """`is_complete`: false when the metric store could not be asked, and there may be others or newer ones."""

    values: Values
    is_complete: bool


class LatestOfHosts:
    """One a process: few at once make up for what is not there, each with many questions to the metric store, and few
    wait for their turn. Who waits holds a thread, and a wall of hosts would take them all from everybody else."""

    def __init__(self, latest: LatestValues, store: MetricStore) -> None:
        self._latest = latest
        self._store = store
        self._fillers = threading.BoundedSemaphore(_FILLERS)
        self._places = threading.BoundedSemaphore(_FILLERS + _WAITING)

    def of(self, ctx: Context, name: str, known: Callable[[], Sequence[Series]], now_ns: int) -> HostValues:
        """`name` as `host_with_metrics` tells it. `known` are the host's series, asked for when nothing stands ready.
        Raises UnavailableError and DeadlineError when the metric store does not answer and nothing stands ready."""
        require(ctx, "metrics:read")
        standing = self._latest.of_host(ctx.organization_id, name)
        if standing.is_complete:
            return _shown(standing.values, now_ns, is_complete=True)
        try:
            stored = self._stored(ctx.organization_id, name, known, now_ns)
        except (UnavailableError, DeadlineError):
            if not standing.values:
                raise
            return _shown(standing.values, now_ns, is_complete=False)
        if standing.generation is not None:
            self._latest.fill(ctx.organization_id, name, stored, standing.generation)
        return _shown(_joined(stored, standing.values), now_ns, is_complete=True)

    def _stored(
        self, organization_id: OrganizationId, name: str, known: Callable[[], Sequence[Series]], now_ns: int
    ) -> Values:
        with _held(self._places, 0.0), _held(self._fillers, _QUEUE_S):
            values: dict[Metric, LatestValue] = {}
            for measurement, field, field_class, tag in known():
                last = _last(self._store, organization_id, (measurement, field, field_class, tag), name, now_ns)
                old = values.get((measurement, field))
                if last is not None and (old is None or last.outranks(old)):
                    values[measurement, field] = last
            return values


@contextmanager
def _held(places: threading.BoundedSemaphore, timeout_s: float) -> Iterator[None]:
    if not places.acquire(timeout=timeout_s):
        raise UnavailableError(
            "as many hosts as may be are looked up", code="origin_busy", hint="try again", retry_after_s=1
        )
    try:
        yield
    finally:
        places.release()


def host_with_metrics(ctx: Context, uow: UnitOfWork, host_id: HostId) -> str:
    """The name of a host that may be read, for whom may read metrics. Raises NotFoundError, DeniedError."""
    require(ctx, "metrics:read")
    return host(ctx, uow, host_id).name


def series_of_host(ctx: Context, uow: UnitOfWork, name: str) -> list[Series]:
    """Each measurement and field once for a tag that names the host, up to LATEST_METRICS of them. Of several classes
    that a field has, the one that metric stores answer from."""
    require(ctx, "metrics:read")
    table = metric_series
    named_by = case(*((table.c.tags.has_key(tag), literal(tag)) for tag in HOST_TAGS))
    wanted = (
        select(table.c.measurement, table.c.field, table.c.field_class, named_by.label("tag"))
        .where(table.c.organization_id == uow.organization_id)
        .where(or_(*(table.c.tags.contains({tag: name}) for tag in HOST_TAGS)))
        .distinct()
        .order_by(table.c.measurement, table.c.field, table.c.field_class)
        .limit(LATEST_METRICS)
    )
    found: dict[tuple[str, str, str], str] = {}
    for row in uow.execute(wanted):
        place = (row.measurement, row.field, row.tag)
        found[place] = min(row.field_class, found.get(place, row.field_class), key=_CLASSES.index)
    return [(measurement, field, found[measurement, field, tag], tag) for measurement, field, tag in found]


def _last(
    store: MetricStore, organization_id: OrganizationId, series: Series, name: str, now_ns: int
) -> LatestValue | None:
    """Found in two steps, its minute and then its millisecond: an answer gives the times of windows only."""
    measurement, field, field_class, tag = series
    filters = [TagFilter(tag, FilterOp.EQ, (name,))]
    filters += [TagFilter(earlier, FilterOp.EQ, ("",)) for earlier in HOST_TAGS[: HOST_TAGS.index(tag)]]
    begin_ns, end_ns = now_ns - REACH_S * 1_000_000_000, now_ns + FUTURE_SECONDS * 1_000_000_000
    at_ms = 0
    value: float | str = 0.0
    for step_ns in (_MINUTE_NS, _MS_NS):
        answer = store.query(
            MetricQuery(
                organization_id,
                measurement,
                field,
                Aggregate.LAST,
                begin_ns,
                end_ns,
                step_ns=step_ns,
                filters=tuple(filters),
            )
        )
        points = [point for each in answer.series for point in each.points]
        if not points:
            return None
        at_ms, value = points[-1]
        begin_ns = max(begin_ns, at_ms * _MS_NS)
        end_ns = min(end_ns, at_ms * _MS_NS + _MINUTE_NS)
    return LatestValue(at_ms, bool(value) if field_class == FieldClass.BOOLEAN.value else value)


def _joined(one: Values, other: Values) -> Values:
    joined = dict(one)
    for metric, value in other.items():
        old = joined.get(metric)
        if old is None or value.outranks(old):
            joined[metric] = value
    return joined


def _shown(values: Values, now_ns: int, *, is_complete: bool) -> HostValues:
    since_ms = now_ns // _MS_NS - REACH_S * 1_000
    kept: Iterable[tuple[Metric, LatestValue]] = sorted(values.items(), key=lambda item: item[0])
    return HostValues({metric: value for metric, value in kept if value.at_ms >= since_ms}, is_complete)
