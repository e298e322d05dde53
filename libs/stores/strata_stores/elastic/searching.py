"""One page of a search."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from elasticsearch import Elasticsearch

from strata_core.logs.documents import encoded_event
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.limits import LOG_PAGE_BYTES, LOG_TOTAL_COUNTED
from strata_datamodel.logs import LogCursor, LogEvent, LogPage, LogSearch, LogTotal
from strata_stores.elastic.answers import checked
from strata_stores.elastic.compiler import events_of, sorting
from strata_stores.elastic.trouble import STORE

_FETCHED_AT_ONCE: Final = 200
"""A page of great events is fetched in parts, so that a part of them is all that is ever in memory."""


@dataclass(slots=True)
class _Hits:
    client: Elasticsearch
    pattern: str
    search: LogSearch
    timeout_s: float
    total: LogTotal | None = None

    def one_by_one(self) -> Iterator[LogEvent]:
        """One more than the page has, if there are so many."""
        left = self.search.limit + 1
        after: list[Any] | None = None
        if self.search.after is not None:
            after = [self.search.after.timestamp_ns, self.search.after.event_id]
        while left:
            size = min(left, _FETCHED_AT_ONCE)
            hits = self._fetch(size, after)
            for hit in hits:
                yield _event_of(hit)
            if len(hits) < size:
                return
            left -= size
            after = hits[-1]["sort"]

    def _fetch(self, size: int, after: list[Any] | None) -> list[dict[str, Any]]:
        answer = checked(
            self.client.search(
                index=self.pattern,
                query=events_of(self.search),
                sort=sorting(self.search),
                search_after=after,
                size=size,
                track_total_hits=LOG_TOTAL_COUNTED if self.total is None else False,
                timeout=f"{max(1, round(self.timeout_s * 1_000))}ms",
            ).body
        )
        if self.total is None:
            self.total = LogTotal(answer["hits"]["total"]["value"], answer["hits"]["total"]["relation"])
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits


def found_page(client: Elasticsearch, pattern: str, search: LogSearch, timeout_s: float) -> LogPage:
    hits = _Hits(client, pattern, search, timeout_s)
    items: list[LogEvent] = []
    size_bytes = 0
    has_more = False
    for event in hits.one_by_one():
        if len(items) == search.limit or size_bytes > LOG_PAGE_BYTES:
            has_more = True
            break
        items.append(event)
        size_bytes += len(encoded_event(event))
    cursor = LogCursor(items[-1].timestamp_ns, items[-1].event_id) if has_more else None
    if hits.total is None:
        raise StoreUnavailableError(STORE, "the answer has no total")
    return LogPage(tuple(items), cursor, hits.total)


def _event_of(hit: dict[str, Any]) -> LogEvent:
    try:
        return msgspec.convert(hit["_source"], LogEvent)
    except (KeyError, msgspec.ValidationError) as error:
        raise StoreUnavailableError(STORE, f"document {hit.get('_id')} of {hit.get('_index')}: {error}") from error
