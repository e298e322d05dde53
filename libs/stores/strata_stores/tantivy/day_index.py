"""The index of one day: writing, deleting, and what is known of its contents."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import tantivy

from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogEvent
from strata_stores.tantivy.compiler import events_with_ids, of_organization
from strata_stores.tantivy.reading import column, first_by, matching
from strata_stores.tantivy.schema import ID_HIGH, ID_LOW, ORGANIZATION, TIMESTAMP, EventId, document_of, id_halves
from strata_stores.tantivy.trouble import STORE, reported

_WRITER_THREADS = 1
_LEAST_ID: EventId = (-1, -1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """No event is outside; an event at either end may have been deleted."""

    earliest_ns: int
    latest_ns: int


@dataclass(slots=True)
class _CommitGroup:
    """Writes that one commit makes durable, or that are lost together."""

    is_over: bool = False
    error: str = ""
    ids: dict[OrganizationId, set[EventId]] = field(default_factory=dict)


class DayIndex:
    """Any thread may call anything. `_committing` is taken before `_adding`."""

    def __init__(self, day: str, path: Path, writer_heap_bytes: int) -> None:
        self.day = day
        self._path = path
        self._writer_heap_bytes = writer_heap_bytes
        self._adding = threading.Lock()
        self._committing = threading.Lock()
        self._reloading = threading.Lock()
        self._commits = 0
        self._commits_seen = 0
        self._writer: tantivy.IndexWriter | None = None
        self._group = _CommitGroup()
        self._is_closed = False
        with reported(day):
            self._index = tantivy.Index.open(str(path))
            # Reloaded by us: the default policy has a thread an index that polls.
            self._index.config_reader("manual")
            self._index.reload()
            searcher = self._index.searcher()
            self._bounds = _bounds_in(searcher)
            self._greatest_id = _greatest_id_in(searcher)

    @property
    def bounds(self) -> Bounds | None:
        """None when it is empty. What is being written is inside already."""
        return self._bounds

    def searcher(self) -> tantivy.Searcher:
        """A view of what is committed, unmoved by later writes."""
        # Reloading costs as much as a small commit, so it is done for a reader and not after each commit.
        wanted = self._commits
        if self._commits_seen < wanted:
            with self._reloading:
                if self._commits_seen < wanted:
                    seen = self._commits
                    self._index.reload()
                    self._commits_seen = seen
        return self._index.searcher()

    def write(self, organization_id: OrganizationId, events: Sequence[tuple[LogEvent, bytes]]) -> None:
        """Durable when this returns. Writes of several threads share commits."""
        organization = str(organization_id)
        ids = [id_halves(event.event_id) for event, _ in events]
        documents = [document_of(organization, event, ids[at], encoded) for at, (event, encoded) in enumerate(events)]
        times = [event.timestamp_ns for event, _ in events]
        with self._adding, reported(self.day):
            group = self._group
            with self._losing_all_on_error():
                self._add_absent(organization_id, ids, documents)
            self._bounds = _widened(self._bounds, Bounds(min(times), max(times)))
        with self._committing:
            if not group.is_over:
                with self._adding:
                    self._commit()
        _raise_for(group)

    def delete_organization(self, organization_id: OrganizationId) -> None:
        with self._committing, self._adding, reported(self.day):
            _raise_for(self._commit())
            if self.searcher().doc_freq(ORGANIZATION, str(organization_id)):
                with self._losing_all_on_error():
                    self._open_writer().delete_documents_by_term(ORGANIZATION, str(organization_id))
                _raise_for(self._commit())

    def delete_matching(self, query: tantivy.Query) -> None:
        with self._committing, self._adding, reported(self.day):
            _raise_for(self._commit())
            if matching(self.searcher(), query):
                with self._losing_all_on_error():
                    self._open_writer().delete_documents_by_query(query)
                _raise_for(self._commit())

    def count_matching(self, query: tantivy.Query) -> int:
        with reported(self.day):
            return matching(self.searcher(), query)

    def count(self, organization_id: OrganizationId) -> int:
        with reported(self.day):
            return matching(self.searcher(), of_organization(organization_id))

    def close_writer(self) -> None:
        """Commits, waits for merges and gives the writer's memory and lock back. The next write opens it again."""
        with self._committing, self._adding, reported(self.day):
            if self._writer is None:
                return
            _raise_for(self._commit())
            writer, self._writer = self._writer, None
            writer.wait_merging_threads()

    def close(self) -> None:
        """Later writes are refused: there may be another index of this day by then."""
        with self._adding:
            self._is_closed = True
        self.close_writer()

    def _add_absent(
        self, organization_id: OrganizationId, ids: Sequence[EventId], documents: Sequence[tantivy.Document]
    ) -> None:
        writer = self._open_writer()
        stored = self._stored_among(organization_id, ids)
        pending = self._group.ids.setdefault(organization_id, set())
        for event_id, document in zip(ids, documents, strict=True):
            if event_id not in stored and event_id not in pending:
                writer.add_document(document)
                pending.add(event_id)
        self._greatest_id = max(self._greatest_id, *ids)

    def _stored_among(self, organization_id: OrganizationId, ids: Sequence[EventId]) -> set[EventId]:
        """Those committed before. Ids rise with arrival, so in the ordinary run of things none needs a look-up."""
        suspects = [event_id for event_id in ids if event_id <= self._greatest_id]
        if not suspects:
            return set()
        searcher = self.searcher()
        query = events_with_ids(organization_id, [low for _, low in suspects])
        possible = matching(searcher, query)
        if not possible:
            return set()
        addresses = [address for _, address in first_by(searcher, query, ID_LOW, possible, descending=False)]
        return set(
            zip(column(searcher, ID_HIGH, addresses), column(searcher, ID_LOW, addresses), strict=True),
        )

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._is_closed:
            raise StoreUnavailableError(STORE, f"the index of {self.day} was dropped")
        if self._writer is None:
            # Of an index object of its own: one object does not bear a writer's and a reader's calls at once.
            self._writer = tantivy.Index.open(str(self._path)).writer(self._writer_heap_bytes, _WRITER_THREADS)
        return self._writer

    def _commit(self) -> _CommitGroup:
        """Ends the group. The caller holds both locks."""
        group, self._group = self._group, _CommitGroup()
        try:
            if self._writer is not None:
                self._writer.commit()
                self._commits += 1
        except (ValueError, OSError, RuntimeError) as error:
            group.error = f"the index of {self.day}: {error}"
            # A writer that failed once cannot be trusted with the next commit.
            self._writer = None
        group.is_over = True
        return group

    @contextmanager
    def _losing_all_on_error(self) -> Iterator[None]:
        """What was added without a commit is gone with the writer: all who wait for that commit must hear of it."""
        try:
            yield
        except (ValueError, OSError, RuntimeError) as error:
            self._group.error = f"the index of {self.day}: {error}"
            self._group.is_over = True
            self._group = _CommitGroup()
            self._writer = None
            raise


def _raise_for(group: _CommitGroup) -> None:
    if group.error:
        raise StoreUnavailableError(STORE, group.error)


def _bounds_in(searcher: tantivy.Searcher) -> Bounds | None:
    everything = tantivy.Query.all_query()
    earliest = first_by(searcher, everything, TIMESTAMP, 1, descending=False)
    latest = first_by(searcher, everything, TIMESTAMP, 1, descending=True)
    return Bounds(earliest[0][0], latest[0][0]) if earliest else None


def _greatest_id_in(searcher: tantivy.Searcher) -> EventId:
    """Or something greater: the low half is not looked for."""
    hits = first_by(searcher, tantivy.Query.all_query(), ID_HIGH, 1, descending=True)
    return (hits[0][0], 1 << 64) if hits else _LEAST_ID


def _widened(known: Bounds | None, new: Bounds) -> Bounds:
    if known is None:
        return new
    return Bounds(min(known.earliest_ns, new.earliest_ns), max(known.latest_ns, new.latest_ns))
