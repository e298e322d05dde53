"""Rung for fifty times, looked for by two, answered and cut off: the effect is there once, or comes under one id."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_network
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from factories.contexts import context
from fakes.memory_data_keys import MemoryDataKeys
from fakes.pager import webhook_receiver
from faults.kinds import CutReply
from strata_core.alerting.events import ALERT_FIRED
from strata_core.context import Context
from strata_core.notifying.webhooks import WebhookDraft, create_webhook
from strata_core.outbox.commands import append
from strata_core.outbox.events import ClaimedEvent, Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OutboxId
from strata_stores.breaker import Breaker
from strata_stores.channels.webhook import WebhookNotifier
from strata_stores.clock import SystemClock
from strata_stores.null.cache import NullCache
from strata_stores.null.doorbell import NullDoorbell
from strata_stores.null.notifier import NullNotifier
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from strata_stores.redis.doorbell import RqDoorbell
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring
from strata_workers.handlers import Handler
from strata_workers.relay import Answerer, Relay
from strata_workers.rq_worker import DoorbellWorker
from strata_workers.sender import Sender
from waiting import eventually

RING_KEY = b"r" * 32


class AheadClock(SystemClock):
    """A machine whose clock is ten minutes fast; the database's is right."""

    def now(self):
        return super().now() + timedelta(minutes=10)


class Handled:
    """Counts how often each event was handled, in whatever worker."""

    def __init__(self) -> None:
        self.times: Counter[OutboxId] = Counter()
        self.handlers: Mapping[str, Handler] = {"counted": self._handle}

    def _handle(self, _: Context, __: UnitOfWork, claimed: ClaimedEvent) -> None:
        self.times[claimed.outbox_id] += 1


@pytest.fixture
def box(shifted_clock) -> AesGcmSecretBox:
    return AesGcmSecretBox(MemoryDataKeys(), WrappingKeyring([WrappingKey(b"w" * 32)]), shifted_clock)


@pytest.fixture
def handled() -> Handled:
    return Handled()


@pytest.fixture
def answerer_on(box, handled) -> Iterator:
    senders = []

    def build(units, name: str) -> Answerer:
        registry = CollectorRegistry()
        senders.append(Sender(units, NullNotifier(), box, registry))
        return Answerer(units, senders[-1], NullCache(), name, registry, handlers=handled.handlers)

    yield build
    for sender in senders:
        sender.close()


def add(system_units, organization_id, kind: str = "counted", entity_kind: str = "thing") -> OutboxId:
    with system_units.organization(organization_id) as uow:
        return append(uow, Event(kind, 1, entity_kind, uuid4(), {"summary": "x"}))


def test_fault_05_an_event_rung_for_fifty_times_is_handled_once(
    system_units, shifted_clock, embedded_valkey, two_organizations, answerer_on, handled, database
):
    """Through a real queue, to two workers that listen at once."""
    bell = RqDoorbell(embedded_valkey.url(), shifted_clock, ring_key=RING_KEY, queue_name=f"q-{uuid4().hex}")
    queues = [bell.worker_queue() for _ in range(2)]
    workers = [
        DoorbellWorker(queue, answerer_on(system_units, f"w{number}").answer, RING_KEY, beat=lambda: None)
        for number, queue in enumerate(queues)
    ]
    event = add(system_units, two_organizations.first)
    rings = [threading.Thread(target=bell.ring, args=(event,)) for _ in range(50)]
    listening = [threading.Thread(target=worker.work, kwargs={"logging_level": "WARNING"}) for worker in workers]
    for thread in (*rings, *listening):
        thread.start()
    for thread in rings:
        thread.join(30)
    eventually(lambda: bell.depth() == 0, 30)
    for worker in workers:
        worker.ask_to_stop()
    for thread in listening:
        thread.join(30)
    for queue in queues:
        queue.connection.close()
    bell.close()
    assert handled.times == {event: 1}
    assert database.rows("SELECT state, attempts FROM outbox") == [{"state": "done", "attempts": 1}]


def test_fault_06_of_two_relays_one_with_its_clock_ahead_each_event_is_handled_once(
    system_units, worker_engine, two_organizations, answerer_on, handled, database
):
    ahead = AheadClock()
    fast = PostgresUnitsOfWork(worker_engine, ahead, Breaker("postgres", ahead))
    relays = [
        Relay(units, NullDoorbell(), answerer_on(units, name)) for units, name in ((system_units, "a"), (fast, "b"))
    ]
    events = [add(system_units, two_organizations.first) for _ in range(60)]
    with system_units.organization(two_organizations.first) as uow:
        later = append(uow, Event("counted", 1, "thing", uuid4()), delay=timedelta(minutes=5))

    def relay(one: Relay) -> None:
        while one.step():
            pass

    threads = [threading.Thread(target=relay, args=(one,)) for one in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert handled.times == dict.fromkeys(events, 1)
    assert database.rows("SELECT id FROM outbox WHERE state = 'pending'") == [{"id": later}]


def test_fault_07_a_page_whose_answer_was_cut_comes_again_under_its_id(
    units, system_units, shifted_clock, two_organizations, box, fault_proxy, database
):
    """The receiver has it, and nobody here knows: it is unknown, and said again with the same id and body."""
    ctx = context(two_organizations.first)
    notifier = WebhookNotifier(shifted_clock, allowed_networks=(ip_network("127.0.0.0/8"),))
    sender = Sender(system_units, notifier, box, CollectorRegistry())
    with webhook_receiver() as receiver:
        proxy = fault_proxy(receiver.url)
        with units.organization(ctx.organization_id) as uow:
            draft = WebhookDraft(name="pager", url=receiver.url.replace(str(_port(receiver.url)), str(proxy.port)))
            create_webhook(ctx, uow, box, draft)
        event = add(system_units, ctx.organization_id, ALERT_FIRED, "alert")
        proxy.set(CutReply(), times=2)
        answerer = Answerer(system_units, sender, NullCache(), "test", CollectorRegistry())
        answerer.answer(event)
        for sent in (1, 2):
            eventually(lambda: _state(database) == "unknown")
            assert len(receiver.received) == sent
            shifted_clock.advance(timedelta(minutes=11))
            assert sender.step() == 1
        eventually(lambda: _state(database) == "sent")
        sender.close()
        assert len(receiver.received) == 3
        assert len({item.message_id for item in receiver.received}) == 1
        assert len({item.body for item in receiver.received}) == 1


def _state(database) -> object:
    (row,) = database.rows("SELECT state FROM notifications")
    return row["state"]


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
