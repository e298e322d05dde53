"""Searching alerts: the index finds, PostgreSQL answers.

What the index says is only taken for a list of ids. Rows are read by id, so nothing is shown as it was before, and
nothing that this caller may not see; rows of the last seconds are looked at one by one, so that people find what they
did a moment ago.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from sqlalchemy import select

from strata_core.access.filters import within
from strata_core.access.rules import require_somewhere, scopes_of
from strata_core.alerting.queries import alert_document
from strata_core.context import Context
from strata_core.logs.cursors import PageEnd, signed_cursor, verified_cursor
from strata_core.logs.query_language import parse_query
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.alert_vocabulary import ALERT_VOCABULARY
from strata_core.search.generations import Generations, generations_of
from strata_core.search.matching import matches
from strata_core.search.projections import ALERT, STORE, alert_search_document, unix_ns
from strata_datamodel.errors import InvalidError, Problem, StoreUnavailableError
from strata_datamodel.limits import PAGE_SIZE_DEFAULT, SEARCH_LIMIT, SEARCH_RECENT_ROWS, SEARCH_RECENT_SECONDS
from strata_datamodel.logs import And, FieldIs, LogFilter, LogTotal, Or, SortOrder
from strata_datamodel.search import GenerationMissingError, IndexPage, IndexPosition, IndexSearch, SearchDocument
from strata_datamodel.tables.alerting import alerts

OpenUnit = Callable[[], AbstractContextManager[UnitOfWork]]
_READ: Final = "alerts:read"
_EARLIEST_NS: Final = -(1 << 63)
_LATEST_NS: Final = (1 << 63) - 1
_SWITCHES: Final = 3


@dataclass(frozen=True, slots=True)
class AlertSearch:
    """from_ns <= started_at < to_ns; without either, of all time."""

    query: str = ""
    from_ns: int | None = None
    to_ns: int | None = None
    limit: int = PAGE_SIZE_DEFAULT
    order: SortOrder = SortOrder.DESC
    cursor: str | None = None
    range_text: tuple[str | None, str | None] | None = None
    """The range as it was written, where that differs: `now-1h` is the same search on the next page."""


@dataclass(frozen=True, slots=True)
class AlertSearchPage:
    items: tuple[Mapping[str, object], ...]
    next_cursor: str | None
    total: LogTotal


@dataclass(frozen=True, slots=True)
class _Row:
    at_ns: int
    entity_id: UUID
    version: int
    document: SearchDocument
    shown: Mapping[str, object]


def search_alerts(
    ctx: Context, open_unit: OpenUnit, index: SearchIndex, request: AlertSearch, cursor_key: bytes
) -> AlertSearchPage:
    """Raises StoreUnavailableError while the index cannot answer: a list that left something out would be no answer."""
    require_somewhere(ctx, _READ)
    where = _in_scope(ctx, parse_query(request.query, ALERT_VOCABULARY))
    from_ns, to_ns, after = _bounds(ctx, request, cursor_key)
    generations, recent = _recent(ctx, open_unit)
    search = IndexSearch(
        place=generations.searched,
        organization_id=ctx.organization_id,
        where=where,
        from_ns=from_ns,
        to_ns=to_ns,
        limit=request.limit,
        order=request.order,
        after=after,
        without=frozenset(row.entity_id for row in recent),
    )
    page = _asked(ctx, open_unit, index, search)
    fresh = [row for row in recent if _is_found(row, where, from_ns, to_ns)]
    keys = [(hit.at_ns, hit.entity_id) for hit in page.found]
    keys += [(row.at_ns, row.entity_id) for row in fresh if _comes_after(row, after, request.order)]
    keys.sort(reverse=request.order is SortOrder.DESC)
    shown = keys[: request.limit]
    next_cursor = None
    if len(keys) > request.limit:
        reached = PageEnd(shown[-1][0], shown[-1][1].hex, from_ns, to_ns)
        next_cursor = signed_cursor(reached, cursor_key, ctx.organization_id, _bound_to(request))
    versions = {hit.entity_id: hit.version for hit in page.found} | {row.entity_id: row.version for row in fresh}
    items = _current_rows(ctx, open_unit, [entity_id for _, entity_id in shown])
    kept = (
        row.shown for row in items if row.version == versions[row.entity_id] or _is_found(row, where, from_ns, to_ns)
    )
    return AlertSearchPage(tuple(kept), next_cursor, replace(page.total, value=page.total.value + len(fresh)))


def _bounds(ctx: Context, request: AlertSearch, cursor_key: bytes) -> tuple[int, int, IndexPosition | None]:
    if not 1 <= request.limit <= SEARCH_LIMIT:
        problem = Problem("/limit", f"expected 1 to {SEARCH_LIMIT} (SEARCH_LIMIT)")
        raise InvalidError(f"a page has 1 to {SEARCH_LIMIT} alerts", code="bad_limit", problems=[problem])
    if request.cursor is not None:
        end = verified_cursor(request.cursor, cursor_key, ctx.organization_id, _bound_to(request))
        return end.from_ns, end.to_ns, IndexPosition(end.timestamp_ns, UUID(hex=end.event_id))
    from_ns = _EARLIEST_NS if request.from_ns is None else request.from_ns
    to_ns = _LATEST_NS if request.to_ns is None else request.to_ns
    if not _EARLIEST_NS <= from_ns < to_ns <= _LATEST_NS:
        problem = Problem("/to", "expected an instant after `from`")
        raise InvalidError("the time range is not one", code="bad_time_range", problems=[problem])
    return from_ns, to_ns, None


def _recent(ctx: Context, open_unit: OpenUnit) -> tuple[Generations, list[_Row]]:
    """What the index may not know of yet."""
    with open_unit() as uow:
        generations = generations_of(uow, ALERT)
        since = uow.now() - timedelta(seconds=SEARCH_RECENT_SECONDS)
        rows = select(alerts).where(alerts.c.organization_id == ctx.organization_id, alerts.c.updated_at > since)
        newest = rows.order_by(alerts.c.updated_at.desc()).limit(SEARCH_RECENT_ROWS)
        return generations, [_row(row) for row in uow.execute(newest).mappings()]


def _asked(ctx: Context, open_unit: OpenUnit, index: SearchIndex, search: IndexSearch) -> IndexPage:
    """Again when the generation was switched meanwhile: the one that was asked is being emptied by then. It is asked
    which one is searched after the search, for what was searched then was whole while it was."""
    for _ in range(_SWITCHES):
        error: GenerationMissingError | StoreUnavailableError | None = None
        page = IndexPage((), LogTotal(0, "eq"))
        try:
            page = index.search(search)
        except (GenerationMissingError, StoreUnavailableError) as raised:
            error = raised
        with open_unit() as uow:
            now = generations_of(uow, ALERT).searched
            is_lacking = isinstance(error, GenerationMissingError) and _has_others(ctx, uow, search.without)
        if now == search.place:
            if isinstance(error, StoreUnavailableError):
                raise error
            if is_lacking:
                raise StoreUnavailableError(STORE, "the index of alerts is made again", retry_after_s=30) from error
            return page
        search = replace(search, place=now)
    raise StoreUnavailableError(STORE, "the index of alerts is being switched", retry_after_s=1)


def _has_others(ctx: Context, uow: UnitOfWork, known: Collection[UUID]) -> bool:
    others = select(alerts.c.id).where(alerts.c.organization_id == ctx.organization_id, alerts.c.id.not_in(known))
    return uow.execute(others.limit(1)).first() is not None


def _current_rows(ctx: Context, open_unit: OpenUnit, ids: Sequence[UUID]) -> list[_Row]:
    """In this order; without what is gone, and what the caller may not see."""
    if not ids:
        return []
    wanted = select(alerts).where(alerts.c.organization_id == ctx.organization_id, alerts.c.id.in_(ids))
    with open_unit() as uow:
        rows = uow.execute(wanted.where(within(ctx, _READ, alerts.c.labels))).mappings()
        found = {row["id"]: _row(row) for row in rows}
    return [found[entity_id] for entity_id in ids if entity_id in found]


def _row(row: Mapping[Any, Any]) -> _Row:
    held = cast("Mapping[str, Any]", dict(row))
    document = alert_search_document(held)
    return _Row(unix_ns(held["started_at"]), held["id"], held["version"], document, alert_document(held))


def _is_found(row: _Row, where: LogFilter, from_ns: int, to_ns: int) -> bool:
    return from_ns <= row.at_ns < to_ns and matches(where, row.document)


def _comes_after(row: _Row, after: IndexPosition | None, order: SortOrder) -> bool:
    if after is None:
        return True
    key, end = (row.at_ns, row.entity_id), (after.at_ns, after.entity_id)
    return key < end if order is SortOrder.DESC else key > end


def _in_scope(ctx: Context, where: LogFilter) -> LogFilter:
    scopes = scopes_of(ctx, _READ)
    if scopes is None:
        return where
    reachable = tuple(And(tuple(FieldIs(f"labels.{key}", value) for key, value in scope)) for scope in scopes)
    return And((Or(reachable), where))


def _bound_to(request: AlertSearch) -> bytes:
    """All but the page's length, which may change from page to page."""
    written = request.range_text or (request.from_ns, request.to_ns)
    return msgspec.json.encode((ALERT, request.query, *written, request.order))
