"""From an event's row to a delivery, through a real PostgreSQL and a real Valkey; only the receiver is scripted."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from fakes.memory_data_keys import MemoryDataKeys
from fixtures.relational import Database, TwoOrganizations
from strata_core.access.permissions import PERMISSIONS
from strata_core.alerting.events import ALERT_FIRED
from strata_core.context import Actor, ActorKind, Context
from strata_core.notifying.webhooks import WebhookDraft, create_webhook
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.outbox.ringing import FUNCTION, sign
from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, WebhookTarget
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.ids import OutboxId
from strata_stores.clock import ShiftedClock
from strata_stores.null.cache import NullCache
from strata_stores.null.doorbell import NullDoorbell
from strata_stores.redis.doorbell import RqDoorbell
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring
from strata_workers.relay import Answerer, Relay
from strata_workers.rq_worker import DoorbellWorker
from strata_workers.sender import Sender
from waiting import eventually

RING_KEY = b"r" * 32
SENT = Delivery(DeliveryStatus.SENT, "accepted", http_status=204)


@dataclass
class ScriptedNotifier:
    """Answers by script, then always SENT; remembers every attempt."""

    script: list[Delivery] = field(default_factory=list)
    attempts: list[tuple[WebhookTarget, Message]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, target: WebhookTarget, message: Message) -> Delivery:
        with self.lock:
            self.attempts.append((target, message))
            return self.script.pop(0) if self.script else SENT


@dataclass
class Plant:
    ctx: Context
    units: SystemUnitsOfWork
    people: UnitsOfWork
    clock: ShiftedClock
    database: Database
    notifier: ScriptedNotifier
    sender: Sender
    answerer: Answerer
    box: AesGcmSecretBox

    def fire(self) -> OutboxId:
        event = Event(ALERT_FIRED, 1, "alert", uuid4(), {"summary": "cpu"})
        with self.units.organization(self.ctx.organization_id) as uow:
            return append(uow, event)

    def webhook(self, name: str = "pager", **changes) -> UUID:
        draft = WebhookDraft(name=name, url="https://hooks.example/x", **changes)
        with self.people.organization(self.ctx.organization_id) as uow:
            return UUID(str(create_webhook(self.ctx, uow, self.box, draft)["id"]))

    def state_of(self, outbox_id: OutboxId) -> str:
        (row,) = self.database.rows("SELECT state FROM outbox WHERE id = %s", outbox_id)
        return str(row["state"])

    def notifications(self) -> list[dict]:
        return self.database.rows("SELECT * FROM notifications ORDER BY id")

    def settled(self) -> list[dict]:
        """The notifications, once none is on its way."""
        eventually(lambda: all(row["state"] != "sending" for row in self.notifications()))
        return self.notifications()


@pytest.fixture
def plant(system_units, units, shifted_clock, database, two_organizations: TwoOrganizations) -> Iterator[Plant]:
    actor = Actor(ActorKind.USER, None, "ana@acme.test")
    ctx = Context(two_organizations.first, actor, PERMISSIONS, "test")
    box = AesGcmSecretBox(MemoryDataKeys(), WrappingKeyring([WrappingKey(b"w" * 32)]), shifted_clock)
    notifier, registry = ScriptedNotifier(), CollectorRegistry()
    sender = Sender(system_units, notifier, box, registry)
    answerer = Answerer(system_units, sender, NullCache(), "test", registry)
    yield Plant(ctx, system_units, units, shifted_clock, database, notifier, sender, answerer, box)
    sender.close()


def test_an_event_is_sent_once_however_often_it_is_answered(plant):
    plant.webhook()
    outbox_id = plant.fire()
    threads = [threading.Thread(target=plant.answerer.answer, args=(outbox_id,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row["state"] for row in plant.settled()] == ["sent"]
    assert len(plant.notifier.attempts) == 1
    assert plant.state_of(outbox_id) == "done"


def test_each_webhook_that_wants_the_event_gets_it_and_no_other(plant):
    plant.webhook("one")
    plant.webhook("two")
    plant.webhook("off", is_enabled=False)
    plant.webhook("resolutions only", event_kinds=("alert.resolved",))
    plant.answerer.answer(plant.fire())
    assert [row["state"] for row in plant.settled()] == ["sent", "sent"]
    assert len(plant.notifier.attempts) == 2


def test_the_second_organization_hears_nothing(plant, two_organizations):
    other = Context(two_organizations.second, plant.ctx.actor, PERMISSIONS, "test")
    with plant.people.organization(two_organizations.second) as uow:
        create_webhook(other, uow, plant.box, WebhookDraft(name="theirs", url="https://theirs.example/x"))
    plant.answerer.answer(plant.fire())
    assert plant.notifications() == []
    assert plant.notifier.attempts == []


def test_what_may_have_arrived_is_sent_again_under_the_same_id(plant):
    plant.webhook()
    plant.notifier.script = [Delivery(DeliveryStatus.UNKNOWN, "timeout"), Delivery(DeliveryStatus.RETRY, "http_5xx")]
    plant.answerer.answer(plant.fire())
    assert plant.settled()[0]["state"] == "unknown"
    for _ in range(2):
        plant.clock.advance(timedelta(seconds=61))
        assert plant.sender.step() == 1
        plant.settled()
    ids = {message.message_id for _, message in plant.notifier.attempts}
    bodies = {message.body for _, message in plant.notifier.attempts}
    assert (len(plant.notifier.attempts), len(ids), len(bodies)) == (3, 1, 1)
    assert plant.notifications()[0]["state"] == "sent"


def test_a_sending_left_behind_by_a_dead_process_is_taken_over_after_its_deadline(plant):
    plant.webhook()
    plant.notifier.script = [Delivery(DeliveryStatus.RETRY, "http_5xx")]
    plant.answerer.answer(plant.fire())
    plant.settled()
    plant.database.run("UPDATE notifications SET state = 'sending', deadline_at = now() + interval '60 seconds'")
    assert plant.sender.step() == 0
    plant.clock.advance(timedelta(seconds=61))
    assert plant.sender.step() == 1
    assert [row["state"] for row in plant.settled()] == ["sent"]


def test_a_bell_that_is_down_costs_nothing_but_the_detour(plant):
    plant.webhook()
    outbox_id = plant.fire()
    relay = Relay(plant.units, NullDoorbell(), plant.answerer)
    assert relay.step() == 2  # the webhook's own event among them
    assert plant.state_of(outbox_id) == "done"
    assert [row["state"] for row in plant.settled()] == ["sent"]


def test_an_event_is_answered_though_its_rings_come_to_nobody(plant):
    """A doorbell that takes them, and a worker that hangs, was suspended, or was never started."""

    class LossyBell(NullDoorbell):
        rings = 0

        def ring(self, outbox_id: OutboxId) -> bool:
            self.rings += 1
            return True

    plant.webhook()
    bell = LossyBell()
    relay = Relay(plant.units, bell, plant.answerer)
    outbox_id = plant.fire()
    assert [relay.step(), relay.step()] == [2, 0]  # the webhook's own event, which needs no ring, among them
    assert plant.state_of(outbox_id) == "pending"
    plant.clock.advance(timedelta(seconds=11))
    assert relay.step() == 1
    assert plant.state_of(outbox_id) == "done"
    assert [row["state"] for row in plant.settled()] == ["sent"]
    assert bell.rings == 1


def test_an_event_that_fails_every_time_is_parked_with_its_reason(plant):
    with plant.units.organization(plant.ctx.organization_id) as uow:
        outbox_id = append(uow, Event(ALERT_FIRED, 1, "alert", uuid4(), {}))
    plant.database.run("ALTER TABLE notifications RENAME TO notifications_hidden")
    try:
        plant.webhook()
        for _ in range(25):
            plant.clock.advance(timedelta(minutes=11))
            plant.answerer.answer(outbox_id)
    finally:
        plant.database.run("ALTER TABLE notifications_hidden RENAME TO notifications")
    (row,) = plant.database.rows("SELECT * FROM outbox WHERE id = %s", outbox_id)
    assert (row["state"], row["attempts"]) == ("parked", 20)
    assert row["last_error"]


def test_a_ring_through_valkey_reaches_the_handler(plant, embedded_valkey, shifted_clock):
    bell = RqDoorbell(embedded_valkey.url(), shifted_clock, ring_key=RING_KEY, queue_name=f"q-{uuid4().hex}")
    queue = bell.worker_queue()
    worker = DoorbellWorker(queue, plant.answerer.answer, RING_KEY, beat=lambda: None)
    thread = threading.Thread(target=worker.work, kwargs={"logging_level": "WARNING"})
    thread.start()
    try:
        plant.webhook()
        outbox_id = plant.fire()
        relay = Relay(plant.units, bell, plant.answerer)
        assert relay.step() == 2
        eventually(lambda: plant.state_of(outbox_id) == "done", 10)
        eventually(lambda: len(plant.notifier.attempts) == 1, 10)
    finally:
        worker.ask_to_stop()
        thread.join(10)
        assert not thread.is_alive()
        queue.connection.close()
        bell.close()


@pytest.mark.parametrize("forgery", ["other function", "wrong tag", "no id", "too many arguments", "pickle"])
def test_a_forged_ring_is_refused_and_the_next_good_one_answered(plant, embedded_valkey, shifted_clock, forgery):
    bell = RqDoorbell(embedded_valkey.url(), shifted_clock, ring_key=RING_KEY, queue_name=f"q-{uuid4().hex}")
    queue = bell.worker_queue()
    answered: list[OutboxId] = []
    outbox_id = OutboxId(uuid4())
    forged = {
        "other function": ("os.system", ("touch /tmp/strata-forged",)),
        "wrong tag": (FUNCTION, (str(outbox_id), sign(b"x" * 32, outbox_id))),
        "no id": (FUNCTION, ("not-an-id", "t")),
        "too many arguments": (FUNCTION, (str(outbox_id), sign(RING_KEY, outbox_id), "more")),
        "pickle": (FUNCTION, ()),
    }[forgery]
    job = queue.enqueue_call(forged[0], args=forged[1])
    if forgery == "pickle":
        queue.connection.hset(job.key, "data", b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.")
    worker = DoorbellWorker(queue, lambda ring: bool(answered.append(ring)), RING_KEY, beat=lambda: None)
    thread = threading.Thread(target=worker.work, kwargs={"logging_level": "WARNING"})
    thread.start()
    try:
        assert bell.ring(outbox_id)
        eventually(lambda: answered == [outbox_id], 10)
        assert worker.refused == 1
    finally:
        worker.ask_to_stop()
        thread.join(10)
        queue.connection.close()
        bell.close()


def test_an_event_of_a_newer_release_is_parked_unread_with_its_reason(plant):
    outbox_id = plant.fire()
    plant.database.run("UPDATE outbox SET schema_version = 2")
    plant.answerer.answer(outbox_id)
    (row,) = plant.database.rows("SELECT state, last_error FROM outbox")
    assert row["state"] == "parked"
    assert "not known to this release" in row["last_error"]
    assert plant.notifications() == []
