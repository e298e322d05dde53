"""The SearchIndex of a cluster: an index a generation, `<prefix>-search-<kind>-NNNNNN`, behind an alias."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from elasticsearch import ApiError, BadRequestError

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import LOG_TOTAL_COUNTED, QUERY_TIMEOUT_S
from strata_datamodel.logs import LogTotal
from strata_datamodel.search import (
    BUCKETS,
    Bucket,
    Buckets,
    Found,
    GenerationMissingError,
    Held,
    IndexPage,
    IndexSearch,
    Place,
    Projected,
)
from strata_stores.breaker import Breaker
from strata_stores.elastic.access import connected
from strata_stores.elastic.answers import checked
from strata_stores.elastic.bulk import Item, send_all
from strata_stores.elastic.compiler import of_organization
from strata_stores.elastic.entity_mapping import (
    BUCKET,
    CHANGED,
    CHECKSUM,
    DELETED_MS,
    ENTITY,
    alive,
    deleted_before,
    entities_of,
    entity_action,
    entity_document,
    entity_id_of,
    held_in,
    new_index,
)
from strata_stores.elastic.mapping import TIMESTAMP
from strata_stores.elastic.trouble import reported

STORE: Final = "search"
_ANSWER_MARGIN_S: Final = 1.0
_HEALTH_TIMEOUT_S: Final = 2.0
_BULK_ANSWER: Final = ("items.*.status", "items.*.result", "items.*.error")
_ALIAS_ENDS: Final = "-live"
_NO_INDEX: Final = "index_not_found_exception"
_EXISTS: Final = "resource_already_exists_exception"
_REMOVED_AT_ONCE: Final = 1_000


class ElasticSearchIndex:
    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        api_key: str | None = None,
        basic_auth: tuple[str, str] | None = None,
        ca_certs: str | None = None,
        prefix: str = "logs",
        query_timeout_s: float = QUERY_TIMEOUT_S,
        write_timeout_s: float = 30.0,
        connections: int = 10,
        breaker: Breaker | None = None,
    ) -> None:
        self._clock = clock
        self._query_timeout_s = query_timeout_s
        # Not `<prefix>-*`: the templates and patterns of logs would take these indices for theirs.
        self._stem = f"strata-search-{prefix}"
        self._breaker = breaker or Breaker(STORE, clock)
        self._closing = threading.Event()
        self._client = connected(
            url,
            api_key=api_key,
            basic_auth=basic_auth,
            ca_certs=ca_certs,
            request_timeout_s=write_timeout_s,
            connections=connections,
        )
        self._searches = self._client.options(request_timeout=query_timeout_s + _ANSWER_MARGIN_S)

    def prepare(self) -> None:
        """Nothing: generations are made one by one."""

    def create(self, place: Place) -> None:
        with self._calling(place):
            if self._client.indices.exists(index=self._alias_of(place)):
                return
            try:
                self._client.indices.create(index=self._index_of(place), **new_index(self._alias_of(place)))
            except BadRequestError as error:
                # Made by another process this instant.
                if not _is_about(error, _EXISTS):
                    raise

    def drop(self, place: Place) -> None:
        with self._calling(place):
            self._client.indices.delete(index=self._index_of(place), ignore_unavailable=True)

    def generations(self, kind: str) -> Sequence[int]:
        stem = f"{self._stem}-{kind}-"
        with self._calling(None):
            names = self._client.indices.get_settings(index=f"{stem}*", name="index.creation_date").body
        numbers = (name.removeprefix(stem) for name in names)
        return sorted(int(number) for number in numbers if number.isascii() and number.isdigit())

    def write(self, place: Place, entities: Sequence[Projected]) -> None:
        alias, now_ms = self._alias_of(place), self._clock.now_ns() // 1_000_000
        items = [
            Item(at, entity_action(alias, entity), entity_document(entity, now_ms))
            for at, entity in enumerate(entities)
        ]
        with self._calling(place):
            refused = send_all(items, lambda lines: self._send(place, lines), self._closing.wait)
        if refused:
            raise StoreRefusedError(STORE, f"{len(refused)} of {len(items)} documents: {refused[0].reason}")

    def refresh(self, place: Place) -> None:
        with self._calling(place):
            self._client.indices.refresh(index=self._alias_of(place))

    def search(self, search: IndexSearch) -> IndexPage:
        after = None if search.after is None else [search.after.at_ns, search.after.entity_id.hex]
        answer = self._ask(
            search.place,
            query=entities_of(search),
            sort=[{TIMESTAMP: search.order.value}, {ENTITY: search.order.value}],
            search_after=after,
            size=search.limit + 1,
            version=True,
            track_total_hits=LOG_TOTAL_COUNTED,
        )
        found = (Found(hit["sort"][0], entity_id_of(hit["sort"][1]), hit["_version"]) for hit in answer["hits"]["hits"])
        total = answer["hits"]["total"]
        return IndexPage(tuple(found), LogTotal(total["value"], total["relation"]))

    def buckets(self, place: Place, organization_id: OrganizationId) -> Buckets:
        by_bucket = {"terms": {"field": BUCKET, "size": BUCKETS}, "aggs": {"sum": {"sum": {"field": CHECKSUM}}}}
        answer = self._ask(
            place, query=alive(organization_id), size=0, aggs={"buckets": by_bucket}, track_total_hits=False
        )
        rows = answer["aggregations"]["buckets"]["buckets"]
        return {int(row["key"]): Bucket(int(row["doc_count"]), int(row["sum"]["value"])) for row in rows}

    def scan(
        self, place: Place, organization_id: OrganizationId, bucket: int, *, after: UUID | None, limit: int
    ) -> Sequence[Held]:
        answer = self._ask(
            place,
            query=held_in(organization_id, bucket),
            sort=[{ENTITY: "asc"}],
            search_after=None if after is None else [after.hex],
            size=limit,
            version=True,
            docvalue_fields=[CHANGED, DELETED_MS],
            track_total_hits=False,
        )
        return [
            Held(entity_id_of(hit["sort"][0]), hit["_version"], hit["fields"][CHANGED][0], DELETED_MS in hit["fields"])
            for hit in answer["hits"]["hits"]
        ]

    def purge_deleted(self, place: Place, before_ms: int, *, limit: int) -> int:
        self.refresh(place)
        return self._forget(place, deleted_before(before_ms), limit)

    def remove(self, place: Place, organization_id: OrganizationId) -> None:
        self.refresh(place)
        while self._forget(place, of_organization(organization_id), _REMOVED_AT_ONCE):
            pass

    def health(self) -> StoreHealth:
        client = self._client.options(request_timeout=_HEALTH_TIMEOUT_S)
        began_s = self._clock.monotonic_s()
        try:
            with reported():
                state = client.cluster.health(timeout=f"{_HEALTH_TIMEOUT_S:g}s").body
        except (StoreUnavailableError, StoreRefusedError) as error:
            detail = error.detail.removeprefix(f"{error.store}: ")
            return StoreHealth(STORE, is_ready=False, detail=detail, is_required=False)
        latency_ms = (self._clock.monotonic_s() - began_s) * 1_000
        is_ready = state["status"] != "red"
        return StoreHealth(STORE, is_ready, state["status"], latency_ms=latency_ms, is_required=False)

    def close(self) -> None:
        self._closing.set()
        self._client.close()

    @contextmanager
    def _calling(self, place: Place | None) -> Iterator[None]:
        with self._breaker.guard():
            try:
                with reported():
                    yield
            except (StoreUnavailableError, StoreRefusedError) as error:
                if place is not None and _is_about(error.__cause__, _NO_INDEX):
                    raise GenerationMissingError(place) from error
                # What is shared with the store of logs names that store.
                raise type(error)(STORE, error.detail.removeprefix(f"{error.store}: ")) from error

    def _ask(self, place: Place, **asked: Any) -> Mapping[str, Any]:
        with self._calling(place):
            timeout = f"{max(1, round(self._query_timeout_s * 1_000))}ms"
            answer = self._searches.search(index=self._alias_of(place), source=False, timeout=timeout, **asked)
            return checked(answer.body)

    def _forget(self, place: Place, query: dict[str, Any], limit: int) -> int:
        """Each in the version it was found in: what was written since stays."""
        hits = self._ask(place, query=query, size=limit, sort=[{ENTITY: "asc"}], version=True)["hits"]["hits"]
        items = [Item(at, _deletion(hit)) for at, hit in enumerate(hits)]
        with self._calling(place):
            refused = send_all(items, lambda lines: self._send(place, lines), self._closing.wait) if items else []
            self._client.indices.refresh(index=self._alias_of(place))
        if refused:
            raise StoreRefusedError(STORE, f"a deletion was refused: {refused[0].reason}")
        return len(hits)

    def _send(self, place: Place, lines: list[bytes]) -> Sequence[Any]:
        with reported():
            # The stubs know mappings only; the serializer passes bytes on as they are.
            answer = self._client.bulk(operations=lines, filter_path=_BULK_ANSWER).body  # type: ignore[arg-type]
        items: Sequence[Any] = answer.get("items", [])
        for item in items:
            if next(iter(item.values())).get("error", {}).get("type") == _NO_INDEX:
                raise GenerationMissingError(place)
        return items

    def _alias_of(self, place: Place) -> str:
        return f"{self._index_of(place)}{_ALIAS_ENDS}"

    def _index_of(self, place: Place) -> str:
        return f"{self._stem}-{place.kind}-{place.generation:06d}"


def _deletion(hit: Mapping[str, Any]) -> bytes:
    version = {"version": hit["_version"], "version_type": "external_gte"}
    return json.dumps({"delete": {"_index": hit["_index"], "_id": hit["_id"]} | version}).encode()


def _is_about(error: BaseException | None, kind: str) -> bool:
    return isinstance(error, ApiError) and kind in str(error.error)
