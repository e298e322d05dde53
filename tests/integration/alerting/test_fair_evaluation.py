"""However much one organization asks, the rules of the others are evaluated."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from fixtures.relational import Database, TwoOrganizations
from strata_core.access.permissions import PERMISSIONS
from strata_core.alerting.commands import create_rule
from strata_core.alerting.drafts import RuleDraft
from strata_core.alerting.evaluation import claim_due_rules
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.alerting import Comparison, Condition
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import MetricAnswer, MetricQuery
from strata_stores.clock import ShiftedClock
from strata_workers.evaluator import AT_ONCE, PER_ORGANIZATION, Evaluator
from waiting import eventually


@dataclass
class SlowFor:
    """Keeps `slow` waiting until it is let go; says of everybody that there are no points, or that it is down."""

    slow: OrganizationId
    asked: list[OrganizationId] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)
    is_down: bool = False

    def query(self, query: MetricQuery) -> MetricAnswer:
        self.asked.append(query.organization_id)
        if query.organization_id == self.slow:
            self.let_go.wait(30)
        if self.is_down:
            raise StoreUnavailableError("metrics", "does not answer")
        return MetricAnswer(())


@dataclass
class Crowd:
    organizations: TwoOrganizations
    units: SystemUnitsOfWork
    people: UnitsOfWork
    clock: ShiftedClock
    store: SlowFor
    evaluator: Evaluator
    database: Database

    def rules(self, organization_id: OrganizationId, count: int) -> None:
        ctx = Context(organization_id, Actor(ActorKind.USER, None, "ana@acme.test"), PERMISSIONS, "test")
        condition = Condition(
            measurement="cpu", field="usage", aggregate="last", comparison=Comparison.GT, threshold=90, window_s=300
        )  # fmt: skip
        with self.people.organization(organization_id) as uow:
            for number in range(count):
                create_rule(ctx, uow, RuleDraft(name=f"rule {number}", condition=condition, interval_s=3_600))

    def evaluated(self, organization_id: OrganizationId) -> int:
        query = "SELECT 1 FROM alert_rules WHERE organization_id = %s AND last_evaluated_at IS NOT NULL"
        return len(self.database.rows(query, organization_id))


@pytest.fixture
def crowd(
    system_units: SystemUnitsOfWork,
    units: UnitsOfWork,
    shifted_clock: ShiftedClock,
    database: Database,
    two_organizations: TwoOrganizations,
) -> Iterator[Crowd]:
    store = SlowFor(two_organizations.first)
    evaluator = Evaluator(system_units, store, CollectorRegistry())
    yield Crowd(two_organizations, system_units, units, shifted_clock, store, evaluator, database)
    store.let_go.set()
    evaluator.close()


def test_fault_54_an_organization_with_slow_rules_holds_half_of_the_places_and_others_are_served(crowd):
    crowd.rules(crowd.organizations.first, 20)
    crowd.clock.advance(timedelta(seconds=1))
    crowd.rules(crowd.organizations.second, 10)

    def second_is_served() -> bool:
        crowd.evaluator.step()
        return crowd.evaluated(crowd.organizations.second) == 10

    eventually(second_is_served, timeout_s=20)
    assert crowd.store.asked.count(crowd.organizations.first) == PER_ORGANIZATION == AT_ONCE // 2
    assert crowd.evaluated(crowd.organizations.first) == 0


def test_the_first_of_each_organization_comes_before_the_second_of_any(crowd):
    crowd.rules(crowd.organizations.first, 20)
    crowd.clock.advance(timedelta(seconds=1))
    crowd.rules(crowd.organizations.second, 2)
    with crowd.units.system() as uow:
        claimed = [item.organization_id for item in claim_due_rules(uow, 3, under_way={crowd.organizations.first: 1})]
    assert claimed.count(crowd.organizations.second) == 2


@pytest.mark.parametrize("status", ["suspended", "deleting"])
def test_rules_of_an_organization_that_is_not_active_wait_until_it_is(crowd, status):
    crowd.rules(crowd.organizations.first, 2)
    crowd.rules(crowd.organizations.second, 1)
    by_id = "UPDATE organizations SET status = %s WHERE id = %s"
    crowd.database.run(by_id, status, crowd.organizations.first)
    crowd.store.let_go.set()
    assert crowd.evaluator.step() == 1
    assert crowd.evaluator.drain(30)
    assert (crowd.evaluated(crowd.organizations.first), crowd.evaluated(crowd.organizations.second)) == (0, 1)
    assert set(crowd.store.asked) == {crowd.organizations.second}
    crowd.database.run(by_id, "active", crowd.organizations.first)
    assert crowd.evaluator.step() == 2
    assert crowd.evaluator.drain(30)


def test_what_is_claimed_when_the_worker_stops_is_evaluated_or_due_at_once(crowd):
    crowd.rules(crowd.organizations.first, 3)
    assert crowd.evaluator.step() == PER_ORGANIZATION
    closing = threading.Thread(target=crowd.evaluator.close)
    closing.start()
    crowd.store.let_go.set()
    closing.join(30)
    assert crowd.evaluated(crowd.organizations.first) == PER_ORGANIZATION
    assert crowd.evaluator.step() == 0
    with crowd.units.system() as uow:
        assert len(claim_due_rules(uow)) == 1


def test_an_outage_is_logged_once_a_rule(crowd):
    crowd.store.is_down = True
    crowd.rules(crowd.organizations.second, 1)
    with capture_logs() as lines:
        for _ in range(3):
            crowd.evaluator.step()
            assert crowd.evaluator.drain(30)
            crowd.clock.advance(timedelta(hours=1))
    assert [(line["event"], line["result"]) for line in lines] == [("rule_evaluated", "error")]
