"""The LogStore of a cluster."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from strata_core.logs.documents import UnstorableError, encoded_event, events_by_day, is_day
from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import QUERY_TIMEOUT_S
from strata_datamodel.logs import LogBatch, LogEvent, LogFilter, LogPage, LogSearch, LogWriteOutcome
from strata_datamodel.metrics import Rejection
from strata_stores.breaker import Breaker
from strata_stores.elastic.access import connected
from strata_stores.elastic.answers import checked
from strata_stores.elastic.bulk import Item, send_all
from strata_stores.elastic.compiler import Query, events_that_match, of_organization
from strata_stores.elastic.erasing import erase
from strata_stores.elastic.mapping import document_id, document_of, index_template
from strata_stores.elastic.nodes import NodeState, node_states
from strata_stores.elastic.searching import found_page
from strata_stores.elastic.trouble import STORE, reported

_ANSWER_MARGIN_S: Final = 1.0
_HEALTH_TIMEOUT_S: Final = 2.0
_BULK_ANSWER: Final = ("items.*.status", "items.*.result", "items.*.error")


class ElasticLogStore:
    """An index a day and retention class, `<prefix>-<retention>-YYYY.MM.DD`, named from the event and not the clock."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        api_key: str | None = None,
        basic_auth: tuple[str, str] | None = None,
        ca_certs: str | None = None,
        prefix: str = "logs",
        retention: str = "r30",
        query_timeout_s: float = QUERY_TIMEOUT_S,
        write_timeout_s: float = 30.0,
        connections: int = 10,
        breaker: Breaker | None = None,
    ) -> None:
        self._clock = clock
        self._query_timeout_s = query_timeout_s
        self._stem = f"{prefix}-{retention}"
        self._pattern = f"{self._stem}-*"
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
        # The server gives up first, and says so; the client's own time-out is for servers that say nothing.
        self._searches = self._client.options(request_timeout=query_timeout_s + _ANSWER_MARGIN_S)

    def prepare(self) -> None:
        with self._calling():
            self._client.indices.put_index_template(name=self._stem, **index_template(self._pattern))

    def write(self, batch: LogBatch) -> LogWriteOutcome:
        by_day, rejected = events_by_day(batch)
        items: list[Item] = []
        for day, events in by_day.items():
            for place, event in events:
                try:
                    items.append(self._creation(batch.organization_id, day, place, event))
                except UnstorableError as reason:
                    rejected.append(Rejection(place, str(reason)))
        with self._breaker.guard():
            rejected += send_all(items, self._send, self._closing.wait)
        rejected.sort(key=lambda rejection: rejection.index)
        return LogWriteOutcome(len(batch.events) - len(rejected), tuple(rejected))

    def refresh(self) -> None:
        with self._calling():
            self._client.indices.refresh(index=self._pattern)

    def search(self, search: LogSearch) -> LogPage:
        with self._calling():
            return found_page(self._searches, self._pattern, search, self._query_timeout_s)

    def count(self, organization_id: OrganizationId) -> int:
        return self._counted(of_organization(organization_id))

    def days(self) -> Sequence[str]:
        with self._calling():
            answer = self._client.indices.get_settings(index=self._pattern, name="index.creation_date").body
        days = (name.removeprefix(f"{self._stem}-").replace(".", "-") for name in answer)
        return sorted(day for day in days if is_day(day))

    def drop_day(self, day: str) -> None:
        if not is_day(day):
            raise StoreRefusedError(STORE, f"{day!r} is not a day")
        with self._calling():
            self._client.indices.delete(index=self._index_of(day), ignore_unavailable=True)

    def delete_organization(self, organization_id: OrganizationId) -> None:
        self._erase(of_organization(organization_id))

    def count_matching(self, organization_id: OrganizationId, where: LogFilter) -> int:
        return self._counted(events_that_match(organization_id, where))

    def delete_matching(self, organization_id: OrganizationId, where: LogFilter) -> None:
        self._erase(events_that_match(organization_id, where))

    def health(self) -> StoreHealth:
        client = self._client.options(request_timeout=_HEALTH_TIMEOUT_S)
        began_s = self._clock.monotonic_s()
        try:
            with reported():
                state = client.cluster.health(timeout=f"{_HEALTH_TIMEOUT_S:g}s").body
                latency_ms = (self._clock.monotonic_s() - began_s) * 1_000
                # Some distributions have no `GET /`, where the version is usually read.
                nodes = client.nodes.info(filter_path="nodes.*.version").body.get("nodes", {})
        except (StoreUnavailableError, StoreRefusedError) as error:
            return StoreHealth(STORE, is_ready=False, detail=error.detail)
        versions = sorted({node["version"] for node in nodes.values()})
        return StoreHealth(
            STORE,
            is_ready=state["status"] != "red",
            detail=f"{state['status']}, {state['number_of_nodes']} nodes",
            version=", ".join(versions),
            latency_ms=latency_ms,
        )

    def node_states(self) -> list[NodeState]:
        with self._calling():
            return node_states(self._client.options(request_timeout=_HEALTH_TIMEOUT_S))

    def close(self) -> None:
        self._closing.set()
        self._client.close()

    def _counted(self, query: Query) -> int:
        with self._calling():
            return int(checked(self._searches.count(index=self._pattern, query=query).body)["count"])

    def _erase(self, query: Query) -> None:
        if self.days():
            with self._calling():
                erase(self._searches, self._pattern, query, self._send, self._closing.wait)

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._breaker.guard(), reported():
            yield

    def _send(self, lines: list[bytes]) -> Sequence[Any]:
        with reported():
            # The stubs know mappings only; the serializer passes bytes on as they are.
            answer = self._client.bulk(operations=lines, filter_path=_BULK_ANSWER).body  # type: ignore[arg-type]
            items: Sequence[Any] = answer.get("items", [])
            return items

    def _creation(self, organization_id: OrganizationId, day: str, place: int, event: LogEvent) -> Item:
        document = document_of(organization_id, event, encoded_event(event))
        index, identity = self._index_of(day), document_id(organization_id, event.event_id)
        # Neither name has a character that JSON would escape: both were checked.
        action = f'{{"create":{{"_index":"{index}","_id":"{identity}"}}}}'
        return Item(place, action.encode(), document)

    def _index_of(self, day: str) -> str:
        return f"{self._stem}-{day.replace('-', '.')}"
