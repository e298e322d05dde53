"""The LogStore of one machine."""

import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from strata_core.logs.documents import UnstorableError, encoded_event, events_by_day
from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB, QUERY_TIMEOUT_S
from strata_datamodel.logs import LogBatch, LogEvent, LogFilter, LogPage, LogSearch, LogWriteOutcome
from strata_datamodel.metrics import Rejection
from strata_stores.breaker import Breaker
from strata_stores.tantivy.compiler import events_that_match
from strata_stores.tantivy.day_index import DayIndex
from strata_stores.tantivy.directories import create_index, existing_days, prepare_directory, remove_index
from strata_stores.tantivy.searching import DaySearch
from strata_stores.tantivy.trouble import STORE, reported

_VERSION: Final = version("tantivy")
_LEAST_FREE_BYTES: Final = 64 * MIB


class TantivyLogStore:
    """One process owns the directory: tantivy's writer lock keeps a second one from writing."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        open_writers: int = 3,
        writer_heap_bytes: int = 48 * MIB,
        breaker: Breaker | None = None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._query_timeout_s = query_timeout_s
        self._open_writers = open_writers
        self._writer_heap_bytes = writer_heap_bytes
        self._breaker = breaker or Breaker(STORE, clock)
        self._lock = threading.Lock()
        self._indexes: dict[str, DayIndex] = {}
        self._written_last: OrderedDict[str, None] = OrderedDict()

    def prepare(self) -> None:
        with self._breaker.guard(), reported("all days"):
            prepare_directory(self._directory)

    def write(self, batch: LogBatch) -> LogWriteOutcome:
        by_day, rejected = events_by_day(batch)
        written = 0
        with self._breaker.guard():
            for day, events in by_day.items():
                storable = _storable(events, rejected)
                if storable:
                    self._index_to_write(day).write(batch.organization_id, storable)
                    written += len(storable)
        return LogWriteOutcome(written, tuple(sorted(rejected, key=lambda rejection: rejection.index)))

    def refresh(self) -> None:
        """Each commit is searchable at once."""

    def search(self, search: LogSearch) -> LogPage:
        with self._breaker.guard():
            return DaySearch(search, self._clock, self._query_timeout_s).page(self._all_indexes())

    def count(self, organization_id: OrganizationId) -> int:
        with self._breaker.guard():
            return sum(index.count(organization_id) for index in self._all_indexes())

    def days(self) -> Sequence[str]:
        with reported("all days"):
            return existing_days(self._directory)

    def drop_day(self, day: str) -> None:
        with self._breaker.guard(), self._lock, reported(day):
            index = self._indexes.pop(day, None)
            self._written_last.pop(day, None)
            if index is not None:
                index.close()
            remove_index(self._directory, day)

    def delete_organization(self, organization_id: OrganizationId) -> None:
        """The space comes back when tantivy merges the segments, at the latest when the day is dropped."""
        with self._breaker.guard():
            for index in self._all_indexes():
                index.delete_organization(organization_id)

    def count_matching(self, organization_id: OrganizationId, where: LogFilter) -> int:
        query = events_that_match(organization_id, where)
        with self._breaker.guard():
            return sum(index.count_matching(query) for index in self._all_indexes())

    def delete_matching(self, organization_id: OrganizationId, where: LogFilter) -> None:
        query = events_that_match(organization_id, where)
        with self._breaker.guard():
            for index in self._all_indexes():
                index.delete_matching(query)

    def health(self) -> StoreHealth:
        began_s = self._clock.monotonic_s()
        try:
            days = self._all_indexes()
            free_bytes = shutil.disk_usage(self._directory).free
        except (StoreUnavailableError, OSError) as error:
            return StoreHealth(STORE, is_ready=False, detail=str(error), version=_VERSION)
        latency_ms = (self._clock.monotonic_s() - began_s) * 1_000
        has_room = free_bytes > _LEAST_FREE_BYTES
        detail = f"{len(days)} days" if has_room else f"only {free_bytes} bytes are free on its disk"
        return StoreHealth(STORE, is_ready=has_room, detail=detail, version=_VERSION, latency_ms=latency_ms)

    def close(self) -> None:
        with self._lock:
            indexes, self._indexes = self._indexes, {}
            self._written_last.clear()
        for index in indexes.values():
            index.close()

    def _all_indexes(self) -> list[DayIndex]:
        with self._lock:
            return [self._index(day) for day in self.days()]

    def _index_to_write(self, day: str) -> DayIndex:
        with self._lock:
            if day not in self._indexes and day not in self.days():
                with reported(day):
                    create_index(self._directory, day)
            index = self._index(day)
            self._written_last[day] = None
            self._written_last.move_to_end(day)
            is_crowded = len(self._written_last) > self._open_writers
            idle = self._indexes[self._written_last.popitem(last=False)[0]] if is_crowded else None
        if idle is not None:
            idle.close_writer()
        return index

    def _index(self, day: str) -> DayIndex:
        """The caller holds the lock."""
        index = self._indexes.get(day)
        if index is None:
            index = self._indexes[day] = DayIndex(day, self._directory / day, self._writer_heap_bytes)
        return index


def _storable(events: Sequence[tuple[int, LogEvent]], rejected: list[Rejection]) -> list[tuple[LogEvent, bytes]]:
    storable: list[tuple[LogEvent, bytes]] = []
    for place, event in events:
        try:
            storable.append((event, encoded_event(event)))
        except UnstorableError as reason:
            rejected.append(Rejection(place, str(reason)))
    return storable
