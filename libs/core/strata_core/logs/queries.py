"""Reading logs."""

from dataclasses import dataclass
from typing import Final

import msgspec

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.logs.cursors import PageEnd, signed_cursor, verified_cursor
from strata_core.logs.query_language import parse_query
from strata_core.ports.clock import Clock
from strata_core.ports.log_store import LogStore
from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.limits import FUTURE_SECONDS, LOG_SEARCH_LIMIT, LOG_SEARCH_PAST_HOURS, PAGE_SIZE_DEFAULT
from strata_datamodel.logs import LogCursor, LogEvent, LogSearch, LogTotal, SortOrder

LOGS_READ: Final = "logs:read"
_SECOND_NS: Final = 1_000_000_000
_INT64: Final = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True, slots=True)
class LogSearchRequest:
    """from_ns <= timestamp < to_ns. Without an end it is the latest there can be; without a beginning,
    LOG_SEARCH_PAST_HOURS before now or the end."""

    query: str = ""
    from_ns: int | None = None
    to_ns: int | None = None
    limit: int = PAGE_SIZE_DEFAULT
    order: SortOrder = SortOrder.DESC
    cursor: str | None = None
    range_text: tuple[str | None, str | None] | None = None
    """The range as it was written, where that differs: `now-1h` is the same search on the next page, a moment later."""


@dataclass(frozen=True, slots=True)
class LogSearchPage:
    items: tuple[LogEvent, ...]
    next_cursor: str | None
    total: LogTotal


def search_logs(
    ctx: Context, store: LogStore, request: LogSearchRequest, clock: Clock, cursor_key: bytes
) -> LogSearchPage:
    require(ctx, LOGS_READ)
    if not 1 <= request.limit <= LOG_SEARCH_LIMIT:
        raise InvalidError(
            f"a page has 1 to {LOG_SEARCH_LIMIT} events",
            code="bad_limit",
            problems=[Problem("/limit", f"expected 1 to {LOG_SEARCH_LIMIT} (LOG_SEARCH_LIMIT)")],
        )
    where = parse_query(request.query)
    bound_to = _bound_to(request)
    after: LogCursor | None = None
    if request.cursor is None:
        from_ns, to_ns = _time_range(request, clock)
    else:
        end = verified_cursor(request.cursor, cursor_key, ctx.organization_id, bound_to)
        from_ns, to_ns = end.from_ns, end.to_ns
        after = LogCursor(end.timestamp_ns, end.event_id)
    page = store.search(
        LogSearch(ctx.organization_id, where, from_ns, to_ns, limit=request.limit, order=request.order, after=after)
    )
    next_cursor = None
    if page.next_cursor is not None:
        reached = PageEnd(page.next_cursor.timestamp_ns, page.next_cursor.event_id, from_ns, to_ns)
        next_cursor = signed_cursor(reached, cursor_key, ctx.organization_id, bound_to)
    return LogSearchPage(page.items, next_cursor, page.total)


def _time_range(request: LogSearchRequest, clock: Clock) -> tuple[int, int]:
    now_ns = clock.now_ns()
    to_ns = request.to_ns if request.to_ns is not None else now_ns + FUTURE_SECONDS * _SECOND_NS
    past_ns = LOG_SEARCH_PAST_HOURS * 3600 * _SECOND_NS
    from_ns = request.from_ns if request.from_ns is not None else min(now_ns, to_ns) - past_ns
    problems = [
        Problem(where, "this instant cannot be written in nanoseconds since 1970 with 64 bits")
        for where, instant in (("/from", from_ns), ("/to", to_ns))
        if instant not in _INT64
    ]
    if not problems and from_ns >= to_ns:
        problems.append(Problem("/to", "expected an instant after `from`"))
    if problems:
        raise InvalidError("the time range is not one", code="bad_time_range", problems=problems)
    return from_ns, to_ns


def _bound_to(request: LogSearchRequest) -> bytes:
    """All but the page's length, which may change from page to page."""
    written = request.range_text or (request.from_ns, request.to_ns)
    return msgspec.json.encode((request.query, *written, request.order))
