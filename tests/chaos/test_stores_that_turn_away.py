"""Elasticsearch under pressure, through the whole path of an event: spool, writer, store, dead letters."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from fakes.moody_elastic import Mood, moody_elastic
from fixtures.ingest import QUICK, IngestWorld
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogSearch, MatchAll, SortOrder
from strata_datamodel.spooling import Signal
from strata_ingest.instruments import WriterInstruments
from strata_ingest.writers import log_writer
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.elastic.log_store import ElasticLogStore
from waiting import eventually

SEED = 20_261_120
EVENTS = 400


@pytest.fixture
def writing_to(make_ingest) -> Iterator[Callable[[str, str], IngestWorld]]:
    """An ingest whose logs go to this Elasticsearch."""
    stores = []

    def build(url: str, prefix: str) -> IngestWorld:
        ingest = make_ingest(is_writing=False)
        machine = ingest.machine
        breaker = Breaker("logs", machine.clock, open_s=0.05, max_open_s=0.2)
        store = ElasticLogStore(url, machine.clock, prefix=prefix, breaker=breaker)
        stores.append(store)
        store.prepare()
        instruments = WriterInstruments(CollectorRegistry())
        spool = machine.spools[Signal.LOGS]
        machine.writers[Signal.LOGS] = log_writer(
            spool, store, machine.system_units, machine.clock, instruments, QUICK, machine.shared
        )
        return ingest

    yield build
    for store in stores:
        store.close()


@pytest.fixture
def stored(elastic_url, elastic_prefix):
    """How often each message is in Elasticsearch itself, asked straight."""

    def ask(organization_id: OrganizationId) -> Counter[str]:
        store = ElasticLogStore(elastic_url, SystemClock(), prefix=elastic_prefix)
        try:
            store.refresh()
            found = store.search(
                LogSearch(organization_id, MatchAll(), 0, (1 << 63) - 1, limit=1_000, order=SortOrder.ASC)
            )
            return Counter(event.message for event in found.items)
        finally:
            store.close()

    return ask


def bulk_of(ingest: IngestWorld, messages: list[str], ages: list[timedelta]) -> str:
    now = ingest.machine.clock.now()
    documents = (
        {"@timestamp": (now - age).isoformat(), "message": message} for message, age in zip(messages, ages, strict=True)
    )
    return "".join(f'{{"index":{{}}}}\n{json.dumps(document)}\n' for document in documents)


def drained(ingest: IngestWorld) -> None:
    """Longer than other tests wait: a store that turns things away is come back to after pauses."""
    spool = ingest.machine.spools[Signal.LOGS]
    eventually(lambda: spool.depth().records == 0, 60, what="an empty spool")


def test_fault_15_of_items_turned_away_only_the_bad_become_dead_letters(
    writing_to, stored, elastic_url, elastic_prefix
):
    """30 % of items 429, one in a hundred 400, a tenth of all requests 503, in the same bulk requests."""
    messages = [f"event {number}{' poison' if number % 100 == 0 else ''}" for number in range(EVENTS)]
    with moody_elastic(elastic_url, Mood(SEED, busy=0.3, away=0.1, bad="poison")) as mood:
        ingest = writing_to(mood.url, elastic_prefix)
        theirs = bulk_of(ingest, ["theirs"], [timedelta(0)])
        assert ingest.bulk(theirs, ingest.globex).json()["errors"] is False
        body = bulk_of(ingest, messages, [timedelta(0)] * EVENTS)
        assert ingest.bulk(body).json()["errors"] is False
        ingest.machine.start_writers()
        drained(ingest)
        assert min(mood.given["429"], mood.given["400"]) > 0, mood.given
    good = {message for message in messages if "poison" not in message}
    assert stored(ingest.acme.organization_id) == dict.fromkeys(good, 1)
    assert stored(ingest.globex.organization_id) == {"theirs": 1}
    letters = ingest.database.rows("SELECT organization_id, reason, item_count FROM dead_letters")
    assert {letter["organization_id"] for letter in letters} == {ingest.acme.organization_id}
    assert sum(int(letter["item_count"]) for letter in letters) == EVENTS // 100
    assert all("never fits" in letter["reason"] for letter in letters)


def test_fault_14_a_store_that_dies_between_its_bulk_and_the_answer_doubles_nothing_across_days(
    writing_to, stored, elastic_url, elastic_prefix
):
    """The events stand on both sides of midnight, and are sent again a day later: each stays in its first index."""
    messages = [f"event {number}" for number in range(EVENTS)]
    ages = [timedelta(hours=36 * number / EVENTS) for number in range(EVENTS)]
    with moody_elastic(elastic_url, Mood(SEED, dies_after=3)) as mood:
        ingest = writing_to(mood.url, elastic_prefix)
        # Some have no time of their own: theirs is when they arrived, and stays it.
        timeless = "".join(f'{{"index":{{}}}}\n{{"message":"timeless {number}"}}\n' for number in range(20))
        assert ingest.bulk(timeless).json()["errors"] is False
        assert ingest.bulk(bulk_of(ingest, messages, ages)).json()["errors"] is False
        ingest.machine.clock.advance(timedelta(days=1))
        ingest.machine.start_writers()
        drained(ingest)
        assert mood.given["died"] == 3
    expected = {*messages, *(f"timeless {number}" for number in range(20))}
    assert stored(ingest.acme.organization_id) == dict.fromkeys(expected, 1)
    assert stored(ingest.globex.organization_id) == {}
    assert ingest.database.rows("SELECT FROM dead_letters") == []


def test_fault_23_a_batch_sent_ten_times_at_once_is_there_once_and_a_changed_one_changes_nothing(make_ingest):
    """The client cannot know what arrived, so it says it again. The changed batch has the same ids."""
    ingest = make_ingest()
    at_ns = ingest.machine.clock.now_ns()
    points = "\n".join(f"m,host=h{number} v={number} {at_ns}" for number in range(50))

    def events(word: str) -> str:
        return "".join(
            f'{{"index":{{"_id":"batch-7-{number}"}}}}\n{{"message":"{word} {number}"}}\n' for number in range(50)
        )

    answers: list[int] = []
    barrier = threading.Barrier(20)

    def send(client: httpx.Client, *, is_metrics: bool) -> None:
        barrier.wait(30)
        path, body = ("/api/v2/write", points) if is_metrics else ("/_bulk", events("first"))
        answers.append(client.post(path, content=body).status_code)

    clients = [httpx.Client(base_url=ingest.url, headers=ingest.acme.token, timeout=60) for _ in range(20)]
    threads = [
        threading.Thread(target=send, args=(client,), kwargs={"is_metrics": number % 2 == 0})
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for client in clients:
        client.close()
    assert sorted(answers) == [200] * 10 + [204] * 10
    assert ingest.points("m") == {f"h{number}": number for number in range(50)}
    assert ingest.count_points() == 50
    assert Counter(event.message for event in ingest.events()) == {f"first {number}": 1 for number in range(50)}
    assert ingest.bulk(events("changed")).status_code == 200
    assert Counter(event.message for event in ingest.events()) == {f"first {number}": 1 for number in range(50)}
    assert ingest.events(ingest.globex) == []
