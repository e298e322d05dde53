"""Events that hang, eat memory or kill who takes them up: parked with their reason, and nobody else's harm."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from factories.contexts import context
from fakes.memory_data_keys import MemoryDataKeys
from strata_core.outbox.commands import LEASE, append, claim
from strata_core.outbox.events import Event
from strata_core.parked_events.commands import retry_event
from strata_datamodel.ids import OrganizationId, OutboxId
from strata_stores.null.cache import NullCache
from strata_stores.null.doorbell import NullDoorbell
from strata_stores.null.notifier import NullNotifier
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring
from strata_workers.handlers import Handler
from strata_workers.relay import ABANDONED_BEFORE_PARKING, Answerer, Relay
from strata_workers.sender import Sender


def hang(*_: object) -> None:
    while True:
        pass


def eat(*_: object) -> None:
    raise MemoryError


HANDLERS: Mapping[str, Handler] = {"poison.hangs": hang, "poison.eats": eat}


@pytest.fixture
def answerer(system_units, shifted_clock) -> Iterator[Answerer]:
    box = AesGcmSecretBox(MemoryDataKeys(), WrappingKeyring([WrappingKey(b"w" * 32)]), shifted_clock)
    registry = CollectorRegistry()
    sender = Sender(system_units, NullNotifier(), box, registry)
    yield Answerer(system_units, sender, NullCache(), "test", registry, handlers=HANDLERS, handler_limit_s=0.1)
    sender.close()


@pytest.fixture
def happen(system_units):
    def add(organization_id: OrganizationId, kind: str) -> OutboxId:
        with system_units.organization(organization_id) as uow:
            return append(uow, Event(kind, 1, "thing", uuid4()))

    return add


def row(database, outbox_id: OutboxId) -> dict[str, object]:
    (found,) = database.rows("SELECT state, attempts, abandoned, last_error FROM outbox WHERE id = %s", outbox_id)
    return found


@pytest.mark.parametrize(("kind", "reason"), [("poison.hangs", "TookTooLongError"), ("poison.eats", "MemoryError")])
def test_fault_12_an_event_that_hangs_or_eats_memory_is_put_off_and_parked_and_its_neighbour_handled(
    answerer, happen, system_units, shifted_clock, database, two_organizations, kind, reason
):
    poison = happen(two_organizations.first, kind)
    neighbour = happen(two_organizations.second, "thing.happened")
    relay = Relay(system_units, NullDoorbell(), answerer)
    assert relay.step() == 2
    assert row(database, neighbour)["state"] == "done"
    assert row(database, poison)["state"] == "pending"
    assert reason in str(row(database, poison)["last_error"])
    for _ in range(25):
        shifted_clock.advance(timedelta(minutes=11))
        relay.step()
    assert row(database, poison)["state"] == "parked"
    assert row(database, poison)["attempts"] == 20


def test_fault_12_an_event_that_kills_its_workers_is_parked_at_the_claim(
    answerer, happen, system_units, shifted_clock, database, two_organizations
):
    poison = happen(two_organizations.first, "poison.kills")
    neighbour = happen(two_organizations.second, "thing.happened")
    for number in range(ABANDONED_BEFORE_PARKING):
        with system_units.system() as uow:  # a worker that is dead the moment it looks at it
            assert claim(uow, f"victim-{number}", limit=1, outbox_id=poison)
        shifted_clock.advance(LEASE)
    relay = Relay(system_units, NullDoorbell(), answerer)
    assert relay.step() == 2
    assert row(database, neighbour)["state"] == "done"
    assert row(database, poison) == {
        "state": "parked",
        "attempts": ABANDONED_BEFORE_PARKING + 1,
        "abandoned": ABANDONED_BEFORE_PARKING,
        "last_error": "5 workers that took it up never came back",
    }


def test_a_parked_killer_that_a_person_sets_going_again_has_all_its_attempts(
    answerer, happen, units, system_units, shifted_clock, database, two_organizations
):
    poison = happen(two_organizations.first, "poison.kills")
    database.run("UPDATE outbox SET state = 'parked', attempts = 6, abandoned = 5 WHERE id = %s", poison)
    with units.organization(two_organizations.first) as uow:
        retry_event(context(two_organizations.first), uow, poison)
    assert row(database, poison)["abandoned"] == 0
    assert answerer.answer(poison)
    assert row(database, poison)["state"] == "done"
