"""One organization's receivers, secrets and leftovers are nobody else's trouble."""

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
from strata_core.notifying.webhooks import WebhookDraft, create_webhook, replace_webhook
from strata_core.outbox.commands import append, purge_done
from strata_core.outbox.events import Event
from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, WebhookTarget
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.ids import OrganizationId, WebhookId
from strata_datamodel.limits import NOTIFICATION_ATTEMPTS
from strata_stores.clock import ShiftedClock
from strata_stores.null.cache import NullCache
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring
from strata_workers.relay import Answerer
from strata_workers.sender import PER_ORGANIZATION, Sender
from waiting import eventually

SLOW, BROKEN, GOOD = "https://slow.example/x", "https://broken.example/x", "https://good.example/x"


@dataclass
class Receivers:
    """`SLOW` answers once it is let go, `BROKEN` breaks what speaks to it, `GOOD` takes everything."""

    reached: list[str] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)

    def deliver(self, target: WebhookTarget, message: Message) -> Delivery:
        self.reached.append(target.url)
        if target.url == SLOW:
            self.let_go.wait(30)
        if target.url == BROKEN:
            raise LookupError("a bug in the adapter")
        return Delivery(DeliveryStatus.SENT, "accepted", http_status=204)


@dataclass
class Post:
    organizations: TwoOrganizations
    units: SystemUnitsOfWork
    people: UnitsOfWork
    clock: ShiftedClock
    database: Database
    receivers: Receivers
    sender: Sender
    answerer: Answerer
    box: AesGcmSecretBox

    def webhook(self, organization_id: OrganizationId, url: str) -> WebhookId:
        with self.people.organization(organization_id) as uow:
            made = create_webhook(_context(organization_id), uow, self.box, WebhookDraft(name="pager", url=url))
            return WebhookId(UUID(str(made["id"])))

    def fire(self, organization_id: OrganizationId) -> None:
        with self.units.organization(organization_id) as uow:
            outbox_id = append(uow, Event(ALERT_FIRED, 1, "alert", uuid4(), {"summary": "cpu"}))
        self.answerer.answer(outbox_id)

    def states(self, organization_id: OrganizationId) -> list[tuple[str, str | None]]:
        query = "SELECT state, last_reason FROM notifications WHERE organization_id = %s ORDER BY id"
        return [(row["state"], row["last_reason"]) for row in self.database.rows(query, organization_id)]


def _context(organization_id: OrganizationId) -> Context:
    return Context(organization_id, Actor(ActorKind.USER, None, "ana@acme.test"), PERMISSIONS, "test")


@pytest.fixture
def post(system_units, units, shifted_clock, database, two_organizations) -> Iterator[Post]:
    box = AesGcmSecretBox(MemoryDataKeys(), WrappingKeyring([WrappingKey(b"w" * 32)]), shifted_clock)
    receivers, registry = Receivers(), CollectorRegistry()
    sender = Sender(system_units, receivers, box, registry)
    answerer = Answerer(system_units, sender, NullCache(), "test", registry)
    yield Post(two_organizations, system_units, units, shifted_clock, database, receivers, sender, answerer, box)
    receivers.let_go.set()
    sender.close()


def test_receivers_that_do_not_answer_make_no_page_of_another_organization_late(post):
    first, second = post.organizations.first, post.organizations.second
    post.webhook(first, SLOW)
    post.webhook(second, GOOD)
    for _ in range(20):
        post.fire(first)
    post.fire(second)
    eventually(lambda: post.states(second) == [("sent", "accepted")])
    assert post.receivers.reached.count(SLOW) == PER_ORGANIZATION


def test_what_waited_for_a_place_is_sent_when_there_is_one(post):
    first = post.organizations.first
    post.webhook(first, SLOW)
    for _ in range(PER_ORGANIZATION + 3):
        post.fire(first)
    assert post.sender.step() == 0
    post.receivers.let_go.set()

    def all_are_sent() -> bool:
        post.sender.step()
        return {state for state, _ in post.states(first)} == {"sent"}

    eventually(all_are_sent)
    assert post.receivers.reached.count(SLOW) == PER_ORGANIZATION + 3


def test_a_delivery_that_breaks_is_an_attempt_and_ends_as_failed(post):
    first, second = post.organizations.first, post.organizations.second
    post.webhook(first, BROKEN)
    post.webhook(second, GOOD)
    post.fire(first)
    for _ in range(NOTIFICATION_ATTEMPTS - 1):
        eventually(lambda: post.states(first)[0][0] == "unknown")
        post.clock.advance(timedelta(hours=1, seconds=1))
        assert post.sender.step() == 1
    eventually(lambda: post.states(first) == [("failed", "internal_error")])
    post.fire(second)
    eventually(lambda: post.states(second) == [("sent", "accepted")])


def test_a_notification_that_outlived_its_event_stands_in_nobodys_way(post):
    first, second = post.organizations.first, post.organizations.second
    post.webhook(first, BROKEN)
    post.webhook(second, GOOD)
    post.fire(first)
    eventually(lambda: post.states(first)[0][0] == "unknown")
    post.clock.advance(timedelta(days=8))
    with post.units.system() as uow:
        assert purge_done(uow, older_than=timedelta(days=7), limit=100) == 1
    post.fire(second)
    post.sender.step()
    eventually(lambda: post.states(second) == [("sent", "accepted")])
    assert post.states(first) == [("failed", "event_gone")]


def test_a_webhook_that_was_switched_off_hears_nothing_more(post):
    first = post.organizations.first
    webhook_id = post.webhook(first, BROKEN)
    post.fire(first)
    eventually(lambda: post.states(first)[0][0] == "unknown")
    with post.people.organization(first) as uow:
        off = WebhookDraft(name="pager", url=GOOD, is_enabled=False)
        replace_webhook(_context(first), uow, webhook_id, off, 1)
    post.clock.advance(timedelta(minutes=1))
    assert post.sender.step() == 0
    assert post.states(first) == [("failed", "webhook_disabled")]
