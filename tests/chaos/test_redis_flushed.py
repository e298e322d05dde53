"""Redis is emptied all the time, and killed, while sagas run: it holds nothing that a saga would miss."""

import os
import signal
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from chaos.nemesis import flushing
from chaos.soaking import MINUTES
from chaos.workshop import chaos_worker
from strata_core.context import Actor, ActorKind
from strata_core.organizations.provisioning import PROVISIONING_SAGA, begin_provisioning
from strata_datamodel.ids import OrganizationId
from strata_stores.clock import ShiftedClock
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(900)]

COUNT = 500 if MINUTES else 40
EVERY_S = 1.0 if MINUTES else 0.1
OPERATOR = Actor(ActorKind.SYSTEM, None, "test")
HOLDS = {
    "organizations": ["active"],
    "memberships": ["owner"],
    "api_keys": ["admin", "ingest"],
    "data_keys": ["1"],
    "outbox": ["organization.provisioned", "saga.started"],
    "audit_log": [
        "api_key.created",
        "api_key.created",
        "member.added",
        "organization.created",
        "organization.provisioned",
        "saga.started",
    ],
}
"""Of each organization, in each table, everything that is there, by what tells it apart."""
TOLD_APART_BY = {
    "organizations": "status",
    "memberships": "role",
    "api_keys": "name",
    "data_keys": "version",
    "outbox": "kind",
    "audit_log": "action",
}


def begin(held, number):
    with held.units.system() as uow:
        made, _ = begin_provisioning(
            uow,
            slug=f"flushed-{number}",
            name=f"Flushed {number}",
            owner_email=f"owner-{number}@flushed.test",
            password_hash="unused",
            actor=OPERATOR,
            request_id="test",
        )
    return made.organization.id


@dataclass(frozen=True)
class Neighbour:
    """What no worker has a reason to touch of an organization that nobody asked anything of."""

    organization_id: OrganizationId

    def of(self, held):
        tables = ("organizations", "memberships", "api_keys", "data_keys", "hosts", "metric_series", "users")
        rows = {}
        for table in tables:
            column = {"organizations": "id = %s", "users": "email = 'owner@globex.test' OR id = %s"}
            where = column.get(table, "organization_id = %s")
            rows[table] = held.database.rows(f"SELECT * FROM {table} WHERE {where}", self.organization_id)
        stores = ("logs", "metrics", "search", "audit_log", "outbox")
        counts = held.holdings(self.organization_id)
        return rows, {store: counts[store] for store in stores}


def held_in(database, table):
    """By organization, of all in one query, for there are hundreds."""
    key, apart = "id" if table == "organizations" else "organization_id", TOLD_APART_BY[table]
    query = f"SELECT {key} AS id, array_agg({apart}::text ORDER BY {apart}::text) AS found FROM {table} GROUP BY {key}"
    return {row["id"]: row["found"] for row in database.rows(query)}


def test_fault_04_with_redis_flushed_every_second_all_provisioning_sagas_finish(held, place, valkey_of_its_own):
    """With the stores that the saga prepares, and two workers. In the short form ten times a second."""
    neighbour = Neighbour(held.organization("globex"))
    theirs = neighbour.of(held)
    tools, own = held.tools, replace(place, redis_url=valkey_of_its_own.url())
    stores = {
        name: getattr(tools, name)
        for name in ("metric_store", "log_store", "search_index", "archive", "secret_box", "notifier", "mailer")
    }
    with ExitStack() as stack:
        flushes = stack.enter_context(flushing(own.redis_url, EVERY_S))
        for _ in range(2):
            stack.enter_context(
                chaos_worker(own, ShiftedClock(), sagas=(PROVISIONING_SAGA,), logs_kept_days=10_000, **stores)
            )
        made = {begin(held, number) for number in range(COUNT)}

        def states():
            rows = held.database.rows("SELECT state, count(*) AS number FROM sagas GROUP BY state")
            return {row["state"]: row["number"] for row in rows}

        eventually(lambda: states() == {"done": COUNT}, 60 + COUNT, what="the end of all sagas")
    assert len(made) == COUNT
    assert len(flushes) >= 3
    for table, expected in HOLDS.items():
        found = held_in(held.database, table)
        assert {each: found.get(each) for each in made} == dict.fromkeys(made, expected), table
    defaults = held.database.rows("SELECT id FROM organizations WHERE settings ? 'access_log_retention_days'")
    assert {row["id"] for row in defaults} == made
    steps = held.database.rows("SELECT DISTINCT state FROM saga_steps")
    assert [step["state"] for step in steps] == ["done"]
    assert neighbour.of(held) == theirs


def test_fault_04_with_redis_flushed_again_and_again_and_killed_all_sagas_finish(
    place, outside, start, valkey_of_its_own
):
    """And once the server itself, which keeps nothing on disk, with sagas that are refused among them."""
    own = replace(place, redis_url=valkey_of_its_own.url())
    with ExitStack() as stack:
        flushes = stack.enter_context(flushing(own.redis_url, 0.1))
        for _ in range(2):
            stack.enter_context(chaos_worker(own, ShiftedClock()))
        start(60)
        eventually(lambda: outside.states()["done"] >= 6, 60, what="the first of them")
        os.kill(valkey_of_its_own.pid, signal.SIGKILL)
        eventually(lambda: not valkey_of_its_own.is_alive())
        start(6)
        valkey_of_its_own.start()
        eventually(outside.is_whole, 120, what="the end of all sagas")
    assert flushes
    assert sum(outside.states().values()) == 66
    assert min(outside.states()["done"], outside.states()["compensated"]) > 0
