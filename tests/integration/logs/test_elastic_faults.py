"""What happens to logs when Elasticsearch, or the way to it, does not do its part."""

import json
import time
import urllib.request
from contextlib import contextmanager

import pytest

from contract.log_subjects import LogSubjects, found, stored
from factories.log_events import BASE, DAY, day_of, event_id_of, log_batch, log_event, log_search
from faults.kinds import BlackHole, CutReply, CutRequest, PassThrough, Refuse, Reset
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.logs import FieldIs, LogLevel, Text
from strata_stores.clock import SystemClock
from strata_stores.elastic.log_store import ElasticLogStore


@pytest.fixture
def new_store(elastic_url, elastic_prefix):
    stores = []

    def build(url=elastic_url, **options):
        stores.append(ElasticLogStore(url, SystemClock(), prefix=elastic_prefix, **options))
        return stores[-1]

    yield build
    for store in stores:
        store.close()


@pytest.fixture
def proxy(elastic_url, fault_proxy):
    return fault_proxy(elastic_url)


def url_of(proxy):
    return f"http://127.0.0.1:{proxy.port}"


def call(elastic_url, method, path, body=None):
    request = urllib.request.Request(
        f"{elastic_url}/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class TestFaults(LogSubjects):
    @pytest.mark.parametrize("fault", [CutReply(), CutReply(after_bytes=40), CutRequest(after_bytes=2_000), Reset()])
    def test_fault_07_a_write_cut_anywhere_and_repeated_leaves_each_event_once(
        self, new_store, proxy, acme, umbrella, fault
    ):
        store = new_store(url_of(proxy))
        store.prepare()
        stored(store, umbrella, log_event("theirs"))
        batch = log_batch(acme, *(log_event(f"line {n} " + "word " * 20, BASE + n) for n in range(200)))
        proxy.set(fault)
        with pytest.raises(StoreUnavailableError):
            store.write(batch)
        proxy.set(PassThrough())
        assert store.write(batch).written == 200
        store.refresh()
        assert found(store, acme) == list(batch.events)[::-1]
        assert store.count(umbrella) == 1

    @pytest.mark.parametrize("fault", [BlackHole(), Refuse(), Reset(), CutReply()])
    def test_every_call_fails_within_its_time(self, new_store, proxy, acme, fault):
        straight = new_store()
        straight.prepare()
        stored(straight, acme, log_event())
        store = new_store(url_of(proxy), query_timeout_s=0.2, write_timeout_s=0.5)
        proxy.set(fault)
        calls = [
            lambda: store.write(log_batch(acme, log_event())),
            lambda: store.search(log_search(acme)),
            lambda: store.count(acme),
            store.days,
        ]
        for attempt in calls:
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                attempt()
            assert time.monotonic() - began < 4.0
        health = store.health()
        assert (health.is_ready, health.version) == (False, "")
        assert health.detail

    def test_the_breaker_opens_and_then_answers_at_once(self, new_store, proxy, acme):
        store = new_store(url_of(proxy), query_timeout_s=0.1)
        proxy.set(Refuse())
        for _ in range(5):
            with pytest.raises(StoreUnavailableError):
                store.search(log_search(acme))
        proxy.set(BlackHole())
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="not asked"):
            store.search(log_search(acme))
        assert time.monotonic() - began < 0.5


class TestRefusals(LogSubjects):
    @pytest.fixture
    def log_store(self, new_store):
        store = new_store()
        store.prepare()
        return store

    def test_a_document_that_the_mapping_refuses_is_reported_with_its_reason(
        self, log_store, elastic_url, elastic_prefix, acme
    ):
        # Somebody made the day's index by hand, with a level that is a number.
        index = f"{elastic_prefix}-r30-{day_of(BASE).replace('-', '.')}"
        mapping = {"properties": {"level": {"type": "long", "ignore_malformed": False}}}
        call(elastic_url, "DELETE", f"_index_template/{elastic_prefix}-r30")
        call(elastic_url, "PUT", index, {"mappings": mapping})
        outcome = log_store.write(log_batch(acme, log_event(level=LogLevel.INFO), log_event(timestamp_ns=BASE - DAY)))
        assert outcome.written == 1
        [rejection] = outcome.rejected
        assert rejection.index == 0
        assert "level" in rejection.reason

    @pytest.mark.parametrize("block", ["read_only_allow_delete", "write"])
    def test_a_blocked_index_is_unavailable_and_loses_nothing(
        self, log_store, elastic_url, elastic_prefix, acme, block
    ):
        before, after = log_event("before", BASE), log_event("after", BASE + 1)
        stored(log_store, acme, before)
        settings = f"{elastic_prefix}-r30-*/_settings"
        call(elastic_url, "PUT", settings, {f"index.blocks.{block}": True})
        with pytest.raises(StoreUnavailableError, match="flood-stage" if block != "write" else "block"):
            log_store.write(log_batch(acme, before, after))
        with pytest.raises(StoreUnavailableError):
            log_store.write(log_batch(acme, after))
        assert found(log_store, acme) == [before]
        call(elastic_url, "PUT", settings, {f"index.blocks.{block}": None})
        stored(log_store, acme, before, after)
        assert found(log_store, acme) == [after, before]

    def test_a_cluster_without_room_for_an_index_is_unavailable(self, log_store, elastic_url, elastic_prefix, acme):
        with no_index_made_by_itself(elastic_url, elastic_prefix), pytest.raises(StoreUnavailableError):
            log_store.write(log_batch(acme, log_event()))
        stored(log_store, acme, log_event())

    def test_a_broken_index_is_an_error_and_not_a_shorter_answer(self, log_store, elastic_url, elastic_prefix, acme):
        stored(log_store, acme, log_event("one", BASE), log_event("two", BASE - DAY))
        # An id that cannot be sorted by: this index's shard fails, the other ones answer.
        index = f"{elastic_prefix}-r30-1999.01.01"
        call(elastic_url, "DELETE", f"_index_template/{elastic_prefix}-r30")
        types = {"organization_id": "keyword", "timestamp_ns": "long", "event_id": "text"}
        call(elastic_url, "PUT", index, {"mappings": {"properties": {n: {"type": t} for n, t in types.items()}}})
        event = {"organization_id": str(acme), "timestamp_ns": BASE, "event_id": event_id_of(0)}
        call(elastic_url, "PUT", f"{index}/_doc/1?refresh=true", event)
        with pytest.raises(StoreUnavailableError, match="shards failed"):
            log_store.search(log_search(acme))
        log_store.drop_day("1999-01-01")
        assert len(found(log_store, acme)) == 2

    def test_tags_and_metadata_add_no_fields_to_the_mapping(self, log_store, elastic_url, elastic_prefix, acme):
        pattern = f"{elastic_prefix}-r30-*"
        stored(log_store, acme, log_event())
        before = call(elastic_url, "GET", f"{pattern}/_mapping")
        stored(log_store, acme, *(log_event(metadata={f"key{n}-{k}": {"x": k} for k in range(500)}) for n in range(4)))
        assert call(elastic_url, "GET", f"{pattern}/_mapping") == before

    def test_a_batch_greater_than_one_request_is_written_whole(self, log_store, acme):
        events = [log_event("word " * 20_000, BASE + n, event_id=event_id_of(n)) for n in range(120)]
        stored(log_store, acme, *events)
        assert log_store.count(acme) == 120
        assert found(log_store, acme, Text("word"), to_ns=BASE + 10) == events[9::-1]

    def test_erasing_walks_over_more_than_one_page(self, log_store, acme, umbrella):
        events = [log_event(f"{n}", BASE + n % 2 * DAY, host_id="h") for n in range(2_500)]
        stored(log_store, acme, *events)
        stored(log_store, umbrella, *events[:10])
        log_store.delete_organization(acme)
        assert (log_store.count(acme), log_store.count(umbrella)) == (0, 10)
        assert found(log_store, acme, FieldIs("host_id", "h")) == []


@contextmanager
def no_index_made_by_itself(elastic_url, elastic_prefix):
    setting = "action.auto_create_index"
    call(elastic_url, "PUT", "_cluster/settings", {"persistent": {setting: f"-{elastic_prefix}*,+*"}})
    try:
        yield
    finally:
        call(elastic_url, "PUT", "_cluster/settings", {"persistent": {setting: None}})
