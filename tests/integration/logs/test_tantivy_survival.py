"""What a tantivy store holds after its process was killed, its files were damaged, or its disk was full."""

import os
import resource
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from contract.log_subjects import all_pages, found, stored
from factories.log_events import BASE, DAY, day_of, event_id_of, log_batch, log_event, log_search
from fakes.manual_clock import ManualClock
from integration.logs.log_writer_process import EVENTS_A_BATCH, batch_numbered
from strata_datamodel.errors import DeadlineError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import SortOrder, Text
from strata_stores.clock import SystemClock
from strata_stores.tantivy.log_store import TantivyLogStore

WRITER = Path(__file__).with_name("log_writer_process.py")
ROOT = WRITER.parents[3]


@pytest.fixture
def acme():
    return OrganizationId(uuid4())


@pytest.fixture
def umbrella():
    return OrganizationId(uuid4())


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def build(**options):
        clock = options.pop("clock", SystemClock())
        stores.append(TantivyLogStore(tmp_path / "logs", clock, **options))
        stores[-1].prepare()
        return stores[-1]

    yield build
    for store in stores:
        store.close()


def test_a_killed_writer_loses_no_acknowledged_event_and_a_replay_doubles_none(open_store, tmp_path, acme, umbrella):
    store = open_store()
    stored(store, umbrella, log_event("theirs", BASE))
    store.close()
    acknowledged = -1
    for kill_after in (1, 9, 4):
        acknowledged = killed_while_writing(tmp_path / "logs", acme, acknowledged + 1, kill_after)
    store = open_store()
    assert store.count(acme) >= (acknowledged + 1) * EVENTS_A_BATCH
    batches = [batch_numbered(acme, number) for number in range(acknowledged + 3)]
    for batch in batches:
        assert store.write(batch).written == EVENTS_A_BATCH
    everything = [event for batch in batches for event in batch.events]
    kept = all_pages(store, log_search(acme, order=SortOrder.ASC))
    assert sorted(event.event_id for event in kept) == sorted(event.event_id for event in everything)
    assert store.count(umbrella) == 1


def killed_while_writing(directory, organization_id, first, kill_after):
    """The greatest batch that it acknowledged; it dies by kill -9 somewhere in one of the next."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *sys.path])}
    arguments = [sys.executable, str(WRITER), str(directory), str(organization_id), str(first)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as process:
        for _ in range(kill_after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split()
    return max([first + kill_after - 1, *map(int, told)])


def test_leftovers_of_a_dying_process_are_cleared_and_harm_nobody(open_store, tmp_path, acme):
    stored(open_store(), acme, log_event("kept", BASE))
    for name in (".new-2026-09-22-x", ".dropped-2026-09-20-x"):
        (tmp_path / "logs" / name).mkdir()
        (tmp_path / "logs" / name / "part.store").write_bytes(b"half")
    store = open_store()
    assert list(store.days()) == [day_of(BASE)]
    assert [entry.name for entry in (tmp_path / "logs").iterdir()] == [day_of(BASE)]
    assert store.count(acme) == 1


@pytest.mark.parametrize("damage", ["meta.json torn", "meta.json gone", "segment gone"])
def test_a_damaged_day_is_an_error_and_never_a_shorter_answer(open_store, tmp_path, acme, damage):
    store = open_store()
    stored(store, acme, log_event("whole", BASE), log_event("damaged", BASE - DAY))
    store.close()
    directory = tmp_path / "logs" / day_of(BASE - DAY)
    if damage == "meta.json torn":
        (directory / "meta.json").write_text("{")
    elif damage == "meta.json gone":
        (directory / "meta.json").unlink()
    else:
        next(directory.glob("*.store")).unlink()
    store = open_store()
    for call in (
        lambda: store.search(log_search(acme)),
        lambda: store.count(acme),
        lambda: store.delete_organization(acme),
        lambda: store.write(log_batch(acme, log_event("more", BASE - DAY))),
    ):
        with pytest.raises(StoreUnavailableError, match=day_of(BASE - DAY)):
            call()
    assert not store.health().is_ready
    assert day_of(BASE - DAY) in store.health().detail
    store.drop_day(day_of(BASE - DAY))
    assert store.health().is_ready
    assert [event.message for event in found(store, acme)] == ["whole"]


def test_a_second_writing_process_is_refused_by_name(open_store, acme):
    first, second = open_store(), open_store()
    stored(first, acme, log_event("first", BASE))
    with pytest.raises(StoreUnavailableError, match="already an `IndexWriter`"):
        second.write(log_batch(acme, log_event("second", BASE)))
    first.close()
    stored(second, acme, log_event("second", BASE))


def test_a_write_that_fails_on_a_full_disk_can_be_repeated(open_store, acme):
    store = open_store()
    stored(store, acme, log_event("before", BASE))
    batch = log_batch(acme, *(log_event(f"{n} " + "word " * 500, BASE + n) for n in range(200)))
    held = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_048, limits[1]))
    try:
        with pytest.raises(StoreUnavailableError):
            store.write(batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, held)
    assert store.count(acme) == 1
    assert store.write(batch).written == 200
    assert store.write(batch).written == 200
    assert store.count(acme) == 201


def test_writers_of_many_days_are_bounded_and_come_back(open_store, tmp_path, acme):
    store = open_store(open_writers=2)
    events = [log_event(f"day {n}", BASE + (n % 5) * DAY + n) for n in range(20)]
    for event in events:
        stored(store, acme, event)
    locks = [
        lock for lock in Path("/proc/self/fd").iterdir() if os.path.realpath(lock).endswith(".tantivy-writer.lock")
    ]
    assert len(locks) <= 2
    assert all_pages(store, log_search(acme, limit=3)) == sorted(events, key=lambda e: e.timestamp_ns, reverse=True)


def test_a_dropped_day_gives_its_space_back(open_store, tmp_path, acme):
    store = open_store()
    stored(store, acme, log_event("kept", BASE), *(log_event("gone " * 100, BASE - DAY + n) for n in range(500)))
    assert len(found(store, acme)) == 501
    store.drop_day(day_of(BASE - DAY))
    assert [entry.name for entry in (tmp_path / "logs").iterdir()] == [day_of(BASE)]
    mapped = Path("/proc/self/maps").read_text()
    assert ".dropped-" not in mapped
    assert day_of(BASE - DAY) not in mapped.replace(str(tmp_path), "")


def test_writes_searches_and_removals_at_once_keep_every_promise(open_store, acme, umbrella):
    store = open_store(open_writers=2)
    writers, batches_each, size = 3, 4, 25
    stop = threading.Event()

    def write(writer):
        for number in range(batches_each):
            first = (writer * batches_each + number) * size
            events = [
                log_event(f"w{writer}", BASE + (n % 3) * DAY, event_id=event_id_of(first + n)) for n in range(size)
            ]
            # Each batch twice, as a client that lost its answer does; the other organization comes and goes.
            for organization_id in (acme, umbrella, acme):
                store.write(log_batch(organization_id, *events))
            if number % 2:
                store.delete_organization(umbrella)

    def read():
        seen = 0
        while not stop.is_set():
            now = store.search(log_search(acme, Text("w1 w1"), limit=10)).total.value
            assert now >= seen
            seen = now

    with ThreadPoolExecutor(writers + 1) as pool:
        reading = pool.submit(read)
        for written in [pool.submit(write, writer) for writer in range(writers)]:
            written.result()
        stop.set()
        reading.result()
    events = all_pages(store, log_search(acme, limit=37))
    assert len(events) == len({event.event_id for event in events}) == writers * batches_each * size
    store.delete_organization(umbrella)
    assert (store.count(acme), store.count(umbrella)) == (len(events), 0)


def test_a_search_past_its_deadline_is_an_error(open_store, acme):
    class SlowClock(ManualClock):
        def monotonic_s(self):
            self.advance(0.5)
            return super().monotonic_s()

    store = open_store(clock=SlowClock(), query_timeout_s=1.0)
    stored(store, acme, *(log_event(f"day {n}", BASE - n * DAY) for n in range(5)))
    with pytest.raises(DeadlineError):
        store.search(log_search(acme))
