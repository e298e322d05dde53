"""For each saga that workers run: one begun anew, and what has to be true of it once it came to rest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

from sqlalchemy import insert

from factories.log_events import BASE as LOG_BASE
from factories.log_events import log_batch, log_event
from factories.point_batches import SECOND, batch_of, point
from fixtures.holdings import POINT_BASE, SIGNER, HoldingsWorld
from fixtures.two_cells import TwoCells, held_by_tier
from integration.search.reindex_story import active, start
from integration.search.search_world import SearchWorld
from scenario.saga_kills import SagaWorld
from strata_core.cells.copying import HOUR_NS
from strata_core.cells.saga import MOVE
from strata_core.context import Actor, ActorKind
from strata_core.erasures.commands import request_erasure
from strata_core.erasures.rules import ErasureKind, Selector
from strata_core.erasures.saga import ERASURE
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.organizations.provisioning import PROVISIONING_SAGA, begin_provisioning
from strata_core.receipts.documents import document_of, is_genuine
from strata_core.receipts.queries import deletion_receipts
from strata_core.sagas.definitions import SagaDefinition
from strata_core.sagas.tools import SagaTools
from strata_core.search.projections import ALERT
from strata_core.search.reindexing import REINDEX
from strata_datamodel.ids import AlertId, OrganizationId, SagaId
from strata_datamodel.search import Place
from strata_datamodel.tables.inventory import hosts
from strata_datamodel.tiers import ROLLED_UP, Tier

OPERATOR = Actor(ActorKind.SYSTEM, None, "test")


@dataclass
class Tried:
    """`when_done` and `when_undone` fail when something is missing, doubled or left."""

    saga_id: SagaId
    when_done: Callable[[], None]
    when_undone: Callable[[], None]


class Trial(Protocol):
    @property
    def definition(self) -> SagaDefinition: ...
    @property
    def world(self) -> SagaWorld: ...
    @property
    def tools(self) -> SagaTools: ...
    @property
    def done_from_the_start(self) -> frozenset[str]: ...
    def begin(self) -> Tried: ...


@dataclass
class HoldingsTrial:
    """With two organizations in every store, of which globex stays as it was."""

    held: HoldingsWorld
    number: int = 0
    theirs: dict[str, int] = field(default_factory=dict)
    done_from_the_start: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.theirs = dict(self.held.holdings(self.held.organization("globex")))

    @property
    def world(self) -> SagaWorld:
        return self.held.world

    @property
    def tools(self) -> SagaTools:
        return self.held.tools

    def neighbour_stands(self) -> None:
        assert self.held.holdings(self.held.organization("globex")) == self.theirs

    def events(self, organization_id: OrganizationId) -> list[str]:
        rows = self.held.database.rows("SELECT kind FROM outbox WHERE organization_id = %s ORDER BY 1", organization_id)
        return [str(row["kind"]) for row in rows]


@dataclass
class ProvisioningTrial(HoldingsTrial):
    definition: SagaDefinition = PROVISIONING_SAGA
    done_from_the_start: frozenset[str] = frozenset({"rows"})

    def begin(self) -> Tried:
        self.number += 1
        slug = f"new-{self.number}"
        with self.held.units.system() as uow:
            made, saga_id = begin_provisioning(
                uow, slug=slug, name=slug, owner_email=f"owner@{slug}.test", password_hash="unused", actor=OPERATOR,
                request_id="test",
            )  # fmt: skip
        organization_id = made.organization.id

        def is_open() -> None:
            found = self.held.rows(organization_id)
            assert {name: found[name] for name in ("organizations", "memberships", "api_keys", "data_keys")} == {
                "organizations": 1, "memberships": 1, "api_keys": 2, "data_keys": 1,
            }  # fmt: skip
            (row,) = self.held.database.rows("SELECT status FROM organizations WHERE id = %s", organization_id)
            assert row["status"] == "active"
            assert self.events(organization_id) == ["organization.provisioned", "saga.started"]
            self.neighbour_stands()

        def is_gone() -> None:
            assert self.held.holdings(organization_id) == {"outbox": 1}
            assert self.events(organization_id) == ["saga.ended"]
            self.neighbour_stands()

        return Tried(saga_id, is_open, is_gone)


@dataclass
class DeletionTrial(HoldingsTrial):
    definition: SagaDefinition = DELETION

    def begin(self) -> Tried:
        self.number += 1
        slug = f"victim-{self.number}"
        organization_id = self.held.provision(slug)
        self.held.fill(organization_id)
        before = self.held.holdings(organization_id)
        ctx = self.held.context(slug)
        with self.held.app_units.organization(organization_id) as uow:
            saga_id = request_deletion(ctx, uow, confirm=slug, grace=timedelta(0))

        def is_gone() -> None:
            assert self.held.holdings(organization_id) == {}
            assert self.tools.cache.forget(organization_id) == 0
            with self.held.units.system() as uow:
                (kept,) = deletion_receipts(uow, slug, 10)
            assert is_genuine(kept.receipt, SIGNER)
            counted = document_of(kept.receipt)["before"]
            assert isinstance(counted, dict)
            assert {name: counted[name] for name in ("logs", "metrics", "archive")} == {
                "logs": 2, "metrics": 3, "archive": 1,
            }  # fmt: skip
            assert len(list(self.held.mail.glob(f"*{saga_id}*"))) == 1
            self.neighbour_stands()

        def is_as_it_was() -> None:
            now = self.held.holdings(organization_id)
            telling = {"outbox", "audit_log", "audit_unsealed"}
            assert {name: now[name] for name in now.keys() - telling} == {
                name: before[name] for name in before.keys() - telling
            }
            self.neighbour_stands()

        return Tried(saga_id, is_gone, is_as_it_was)


@dataclass
class ErasureTrial(HoldingsTrial):
    """A host of its own each time, which both organizations have."""

    definition: SagaDefinition = ERASURE

    def begin(self) -> Tried:
        self.number += 1
        name = f"host-{self.number}"
        acme = self.held.organization("acme")
        self._leave_traces(acme, name)
        self._leave_traces(self.held.organization("globex"), name)
        self.theirs = dict(self.held.holdings(self.held.organization("globex")))
        ctx = self.held.context("acme")
        with self.held.app_units.organization(acme) as uow:
            asked = request_erasure(ctx, uow, Selector(ErasureKind.HOST, value=name), reason="")

        def traces() -> tuple[int, int, int]:
            found = self.held.holdings(acme)
            return found["logs"], found["metrics"], found["hosts"]

        before, receipts = traces(), len(self.held.database.rows("SELECT 1 FROM receipts"))

        def is_erased() -> None:
            assert traces() == tuple(count - 1 for count in before)
            assert self.tools.metric_store.count_matching(acme, [("host", name)]) == 0
            forgotten = "SELECT 1 FROM erasures WHERE id = %s AND selector IS NULL AND receipt_id IS NOT NULL"
            told = "SELECT 1 FROM outbox WHERE entity_id = %s AND kind = 'erasure.done'"
            assert [len(self.held.database.rows(query, asked.id)) for query in (forgotten, told)] == [1, 1]
            assert len(self.held.database.rows("SELECT 1 FROM receipts")) == receipts + 1
            self.neighbour_stands()

        def is_as_it_was() -> None:
            assert traces() == before
            self.neighbour_stands()

        return Tried(asked.saga_id, is_erased, is_as_it_was)

    def _leave_traces(self, organization_id: OrganizationId, name: str) -> None:
        self.tools.metric_store.write(batch_of(organization_id, point(POINT_BASE, 1.0, host=name)))
        self.tools.log_store.write(log_batch(organization_id, log_event(f"of {name}", LOG_BASE, host_id=name)))
        with self.held.units.organization(organization_id) as uow:
            uow.execute(insert(hosts), {"organization_id": organization_id, "id": uuid4(), "name": name})


@dataclass
class ReindexTrial:
    search: SearchWorld
    tools: SagaTools
    ids: set[AlertId]
    theirs: set[AlertId]
    definition: SagaDefinition = REINDEX
    done_from_the_start: frozenset[str] = frozenset()

    @property
    def world(self) -> SagaWorld:
        return SagaWorld(self.search.units, self.search.clock, self.search.database)

    def begin(self) -> Tried:
        before = active(self.search)

        def is_searched(generation: int) -> None:
            self.search.reconciler.sweep()
            assert list(self.search.index.generations(ALERT)) == sorted({1, generation})
            assert self.search.live(place=Place(ALERT, generation)) == self.ids
            assert self.search.live(self.search.globex) == self.theirs

        def is_made_anew() -> None:
            assert active(self.search) > before
            is_searched(active(self.search))

        def is_as_it_was() -> None:
            assert active(self.search) == before
            is_searched(before)

        return Tried(start(self.search), is_made_anew, is_as_it_was)


@dataclass
class MoveTrial:
    """An organization of its own each time, of which raw points and every tier are moved."""

    cells: TwoCells
    number: int = 0
    done_from_the_start: frozenset[str] = frozenset()
    definition: SagaDefinition = MOVE
    theirs: dict[Tier, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.theirs = held_by_tier(self.cells.old, self.world_of.organization("globex"))

    @property
    def world_of(self) -> HoldingsWorld:
        return self.cells.held

    @property
    def world(self) -> SagaWorld:
        return self.world_of.world

    @property
    def tools(self) -> SagaTools:
        return self.world_of.tools

    def begin(self) -> Tried:
        self.number += 1
        organization_id = self.world_of.provision(f"mover-{self.number}")
        store, clock = self.tools.metric_store, self.world.clock
        from_ns = clock.now_ns() - clock.now_ns() % HOUR_NS - 3 * HOUR_NS
        points = [point(from_ns + at * 30 * SECOND, float(at), host="web1") for at in range(150)]
        store.write(batch_of(organization_id, *points))
        for tier in ROLLED_UP:
            self.cells.old.roll_up(tier, from_ns, from_ns + 2 * HOUR_NS, [organization_id])
        before = held_by_tier(self.cells.old, organization_id)
        saga_id = self.cells.request_move(organization_id)

        def is_there() -> None:
            assert held_by_tier(self.cells.new, organization_id) == before
            assert set(held_by_tier(self.cells.old, organization_id).values()) == {0}
            assert self.cells.placement(organization_id).written == ("new",)
            self.neighbour_stands()

        def is_as_it_was() -> None:
            assert held_by_tier(self.cells.old, organization_id) == before
            assert set(held_by_tier(self.cells.new, organization_id).values()) == {0}
            assert self.cells.placement(organization_id).written == ("default",)
            self.neighbour_stands()

        return Tried(saga_id, is_there, is_as_it_was)

    def neighbour_stands(self) -> None:
        globex = self.world_of.organization("globex")
        assert held_by_tier(self.cells.old, globex) == self.theirs
        assert self.cells.placement(globex).written == ("default",)
