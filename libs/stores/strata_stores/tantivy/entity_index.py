"""One generation of an index of entities: writing by version, searching, and what is compared."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import tantivy

from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import LOG_TOTAL_COUNTED
from strata_datamodel.logs import LogTotal, SortOrder
from strata_datamodel.search import BUCKETS, Bucket, Buckets, Found, Held, IndexPage, IndexSearch, Projected
from strata_stores.tantivy.compiler import events_that_match, excluding, narrowed, of_organization, within
from strata_stores.tantivy.entity_schema import (
    BUCKET,
    CHANGED,
    CHECKSUM,
    DELETED_MS,
    ENTITY_SCHEMA,
    KEY,
    VERSION,
    entity_document,
    entity_id_of,
    key_of,
)
from strata_stores.tantivy.paging import first_documents
from strata_stores.tantivy.reading import column, first_by, matching
from strata_stores.tantivy.schema import ID_HIGH, ID_LOW, ORGANIZATION, order_of

STORE: Final = "search"
_WRITER_THREADS: Final = 1
_BY_ID: Final = 1
"""Where in the order of (time, id) the id begins."""


class EntityIndex:
    """Any thread may call anything. Another process may read the directory meanwhile: the writer, whose lock is the
    directory's, is made by the first write."""

    def __init__(self, path: Path, writer_heap_bytes: int) -> None:
        self._path = path
        self._writer_heap_bytes = writer_heap_bytes
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._commits = 1
        self._commits_seen = 0
        self._writer: tantivy.IndexWriter | None = None
        self._is_closed = False
        with reported():
            self._index = tantivy.Index.open(str(path))
            self._index.config_reader("manual")

    def write(self, entities: Sequence[Projected], now_ms: int) -> None:
        """One commit. Nobody else writes between the look at what is held and it."""
        newest: dict[str, Projected] = {}
        for entity in entities:
            key = key_of(entity.organization_id, entity.entity_id)
            if key not in newest or newest[key].version < entity.version:
                newest[key] = entity
        with self._lock, reported():
            held: dict[str, int] = {}
            for organization_id in {entity.organization_id for entity in newest.values()}:
                held |= self._versions(organization_id, newest)
            with self._writing() as writer:
                for key, entity in newest.items():
                    if held.get(key, -1) < entity.version:
                        writer.delete_documents_by_term(KEY, key)
                        writer.add_document(entity_document(entity, now_ms))

    def search(self, search: IndexSearch) -> IndexPage:
        with reported():
            searcher = self._searcher()
            matched = narrowed(
                events_that_match(search.organization_id, search.where), _alive(), within(search.from_ns, search.to_ns)
            )
            if search.without:
                keys = [key_of(search.organization_id, entity_id) for entity_id in search.without]
                matched = excluding(matched, tantivy.Query.term_set_query(ENTITY_SCHEMA, KEY, keys))
            after = None if search.after is None else order_of(search.after.at_ns, search.after.entity_id.hex)
            is_descending = search.order is SortOrder.DESC
            top = first_documents(searcher, matched, search.limit + 1, descending=is_descending, after=after)
            versions = column(searcher, VERSION, [address for _, address in top]) if top else []
            total = matching(searcher, matched)
        found = (
            Found(key[0], entity_id_of((key[1], key[2])), version)
            for (key, _), version in zip(top, versions, strict=True)
        )
        relation = "gte" if total > LOG_TOTAL_COUNTED else "eq"
        return IndexPage(tuple(found), LogTotal(min(total, LOG_TOTAL_COUNTED), relation))

    def buckets(self, organization_id: OrganizationId) -> Buckets:
        counted = {"terms": {"field": BUCKET, "size": BUCKETS}, "aggs": {"sum": {"sum": {"field": CHECKSUM}}}}
        with reported():
            answer = self._searcher().aggregate(of_organization(organization_id, _alive()), {"buckets": counted})
        rows = answer["buckets"]["buckets"]
        return {int(row["key"]): Bucket(int(row["doc_count"]), int(row["sum"]["value"])) for row in rows}

    def scan(
        self, organization_id: OrganizationId, bucket: int, after: tuple[int, int] | None, limit: int
    ) -> list[Held]:
        with reported():
            searcher = self._searcher()
            held = of_organization(organization_id, _equal(BUCKET, bucket))
            top = first_documents(searcher, held, limit, descending=False, after=after, first=_BY_ID)
            if not top:
                return []
            addresses = [address for _, address in top]
            columns = [column(searcher, field, addresses) for field in (VERSION, CHANGED, DELETED_MS)]
        return [
            Held(entity_id_of((key[0], key[1])), version, changed_us, deleted_ms > 0)
            for (key, _), version, changed_us, deleted_ms in zip(top, *columns, strict=True)
        ]

    def purge_deleted(self, before_ms: int, limit: int) -> int:
        with self._lock, reported():
            searcher = self._searcher()
            old = tantivy.Query.range_query(
                ENTITY_SCHEMA, DELETED_MS, tantivy.FieldType.Unsigned, 1, before_ms, include_upper=False
            )
            hits = first_by(searcher, old, DELETED_MS, limit, descending=False)
            with self._writing() as writer:
                for _, address in hits:
                    high, low = column(searcher, ID_HIGH, [address])[0], column(searcher, ID_LOW, [address])[0]
                    # Another organization's deletion under the same id is as old, if it is hit at all.
                    writer.delete_documents_by_query(narrowed(old, _equal(ID_HIGH, high), _equal(ID_LOW, low)))
        return len(hits)

    def remove(self, organization_id: OrganizationId) -> None:
        with self._lock, reported(), self._writing() as writer:
            writer.delete_documents_by_term(ORGANIZATION, str(organization_id))

    def close(self) -> None:
        """Later writes are refused."""
        with self._lock, reported():
            self._is_closed = True
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.wait_merging_threads()

    def abandon(self) -> None:
        """Closed, as its files are gone: there is nothing to wait for."""
        with self._lock:
            self._is_closed = True
            self._writer = None

    def _searcher(self) -> tantivy.Searcher:
        """A view of all that was committed before."""
        wanted = self._commits
        if self._commits_seen < wanted:
            with self._reloading:
                if self._commits_seen < wanted:
                    seen = self._commits
                    self._index.reload()
                    self._commits_seen = seen
        return self._index.searcher()

    def _versions(self, organization_id: OrganizationId, keys: Iterable[str]) -> dict[str, int]:
        searcher = self._searcher()
        query = of_organization(organization_id, tantivy.Query.term_set_query(ENTITY_SCHEMA, KEY, list(keys)))
        possible = matching(searcher, query)
        if not possible:
            return {}
        addresses = [address for _, address in first_by(searcher, query, ID_LOW, possible, descending=False)]
        columns = (column(searcher, field, addresses) for field in (ID_HIGH, ID_LOW, VERSION))
        return {
            key_of(organization_id, entity_id_of((high, low))): version
            for high, low, version in zip(*columns, strict=True)
        }

    @contextmanager
    def _writing(self) -> Iterator[tantivy.IndexWriter]:
        """Commits, or drops the writer: one that failed once cannot be trusted with the next commit."""
        if self._is_closed:
            raise StoreUnavailableError(STORE, "this generation was closed")
        if self._writer is None:
            # Of an index object of its own: one object does not bear a writer's and a reader's calls at once.
            self._writer = tantivy.Index.open(str(self._path)).writer(self._writer_heap_bytes, _WRITER_THREADS)
        try:
            yield self._writer
            self._writer.commit()
            self._commits += 1
        except BaseException:
            self._writer = None
            raise


@contextmanager
def reported() -> Iterator[None]:
    """tantivy-py raises ValueError for whatever went wrong below it, a full disk and a damaged file alike."""
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        raise StoreUnavailableError(STORE, str(error)) from error


def _alive() -> tantivy.Query:
    return _equal(DELETED_MS, 0)


def _equal(field: str, value: int) -> tantivy.Query:
    return tantivy.Query.range_query(ENTITY_SCHEMA, field, tantivy.FieldType.Unsigned, value, value)
