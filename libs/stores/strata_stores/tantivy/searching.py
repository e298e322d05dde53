"""One search over the indexes of many days."""

from collections.abc import Sequence
from dataclasses import dataclass

import tantivy

from strata_core.logs.documents import decoded_event
from strata_core.ports.clock import Clock
from strata_datamodel.errors import DeadlineError
from strata_datamodel.limits import LOG_PAGE_BYTES, LOG_TOTAL_COUNTED
from strata_datamodel.logs import LogCursor, LogEvent, LogPage, LogSearch, LogTotal, SortOrder
from strata_stores.tantivy.compiler import events_that_match, narrowed, within
from strata_stores.tantivy.day_index import Bounds, DayIndex
from strata_stores.tantivy.paging import Keyed, first_documents
from strata_stores.tantivy.reading import matching
from strata_stores.tantivy.schema import DOCUMENT, order_of
from strata_stores.tantivy.trouble import reported


@dataclass(frozen=True, slots=True)
class _Found:
    key: tuple[int, ...]
    day: str
    searcher: tantivy.Searcher
    address: tantivy.DocAddress


class DaySearch:
    """Takes the days in the order of the search, and stops once no later day can change the page or the total."""

    def __init__(self, search: LogSearch, clock: Clock, timeout_s: float) -> None:
        self._search = search
        self._clock = clock
        self._timeout_s = timeout_s
        self._deadline_s = clock.monotonic_s() + timeout_s
        self._at_any_time = events_that_match(search.organization_id, search.where)
        self._in_time = narrowed(self._at_any_time, within(search.from_ns, search.to_ns))
        self._is_descending = search.order is SortOrder.DESC
        after = search.after
        self._after = None if after is None else order_of(after.timestamp_ns, after.event_id)
        # One more than asked for tells whether there is a next page.
        self._wanted = search.limit + 1
        self._found: list[_Found] = []
        self._total = 0

    def page(self, days: Sequence[DayIndex]) -> LogPage:
        bounded = [(day, day.bounds) for day in days]
        overlapping = [(day, bounds) for day, bounds in bounded if bounds is not None and self._overlaps(bounds)]
        overlapping.sort(key=lambda pair: self._nearest(pair[1]), reverse=self._is_descending)
        for day, bounds in overlapping:
            is_counted = self._total > LOG_TOTAL_COUNTED
            is_page_sure = self._is_page_sure(bounds)
            if is_counted and is_page_sure:
                break
            self._check_deadline()
            with reported(day.day):
                self._search_day(day, wants_documents=not is_page_sure, wants_count=not is_counted)
        return self._fetched()

    def _overlaps(self, bounds: Bounds) -> bool:
        return bounds.earliest_ns < self._search.to_ns and bounds.latest_ns >= self._search.from_ns

    def _nearest(self, bounds: Bounds) -> int:
        return bounds.latest_ns if self._is_descending else bounds.earliest_ns

    def _is_page_sure(self, bounds: Bounds) -> bool:
        """Whether the page is full of events that all come before any of that day."""
        if len(self._found) < self._wanted:
            return False
        last_ns = self._found[-1].key[0]
        return last_ns > bounds.latest_ns if self._is_descending else last_ns < bounds.earliest_ns

    def _search_day(self, day: DayIndex, *, wants_documents: bool, wants_count: bool) -> None:
        searcher = day.searcher()
        query = self._query_for(day)
        top: Keyed = []
        if wants_documents:
            top = first_documents(searcher, query, self._wanted, descending=self._is_descending, after=self._after)
        if wants_count:
            has_all = wants_documents and self._after is None and len(top) < self._wanted
            self._total += len(top) if has_all else matching(searcher, query)
        self._found += [_Found(key, day.day, searcher, address) for key, address in top]
        self._found.sort(key=lambda found: found.key, reverse=self._is_descending)
        del self._found[self._wanted :]

    def _query_for(self, day: DayIndex) -> tantivy.Query:
        """Where a whole day is inside the time range, looking at each event's time is half of the work.

        The bounds are read after the searcher was made: whatever it sees was inside the bounds by then.
        """
        bounds = day.bounds
        is_inside = (
            bounds is not None and self._search.from_ns <= bounds.earliest_ns and bounds.latest_ns < self._search.to_ns
        )
        return self._at_any_time if is_inside else self._in_time

    def _fetched(self) -> LogPage:
        items: list[LogEvent] = []
        size_bytes = 0
        for found in self._found[: self._search.limit]:
            self._check_deadline()
            with reported(found.day):
                document = found.searcher.doc(found.address)[DOCUMENT][0]
                items.append(decoded_event(document))
            size_bytes += len(document)
            if size_bytes > LOG_PAGE_BYTES:
                break
        last = items[-1] if len(items) < len(self._found) else None
        cursor = None if last is None else LogCursor(last.timestamp_ns, last.event_id)
        relation = "gte" if self._total > LOG_TOTAL_COUNTED else "eq"
        return LogPage(tuple(items), cursor, LogTotal(min(self._total, LOG_TOTAL_COUNTED), relation))

    def _check_deadline(self) -> None:
        if self._clock.monotonic_s() > self._deadline_s:
            raise DeadlineError(
                f"the search took longer than {self._timeout_s:g} s", hint="narrow the time range or the query"
            )
