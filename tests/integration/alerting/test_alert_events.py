"""What becomes of alerts among their organization's metrics: once each, whatever dies or is down meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from fakes.faulty_stores import FaultyMetricStore
from fixtures.relational import Database, TwoOrganizations
from strata_core.access.permissions import PERMISSIONS
from strata_core.alerting.commands import acknowledge_alert, create_rule, delete_rule, open_alert, resolve_alert
from strata_core.alerting.drafts import RuleDraft
from strata_core.alerting.events import POINT_DUE
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.search.events import PROJECTION_DUE
from strata_datamodel.alerting import Comparison, Condition
from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.ids import AlertId, OrganizationId, RuleId
from strata_datamodel.metrics import Aggregate, MetricQuery
from strata_stores.clock import ShiftedClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.null.cache import NullCache
from strata_stores.null.doorbell import NullDoorbell
from strata_workers.alert_recorder import AlertRecorder
from strata_workers.relay import Answerer, Relay
from strata_workers.sender import Sender

pytestmark = pytest.mark.usefixtures("second_unmoved")
TAGS = ("alert_id", "rule_id", "severity", "status", "host_id", "service_id")


@dataclass
class Office:
    organizations: TwoOrganizations
    units: SystemUnitsOfWork
    people: UnitsOfWork
    clock: ShiftedClock
    store: FaultyMetricStore
    database: Database
    sender: Sender
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        answerer = Answerer(self.units, self.sender, NullCache(), "test", self.registry)
        self.relay = Relay(self.units, NullDoorbell(), answerer)
        self.recorder = AlertRecorder(self.units, self.store, self.clock, "test", self.registry)

    @property
    def ctx(self) -> Context:
        return Context(self.organizations.first, Actor(ActorKind.USER, None, "ana@acme.test"), PERMISSIONS, "test")

    def rule(self) -> RuleId:
        condition = Condition(
            measurement="cpu", field="v", aggregate="avg", comparison=Comparison.GT, threshold=1, window_s=60
        )
        with self.people.organization(self.organizations.first) as uow:
            return RuleId(create_rule(self.ctx, uow, RuleDraft(name=uuid4().hex, condition=condition))["id"])

    def fire(self, rule_id: RuleId | None = None, **labels: str) -> AlertId:
        values = {
            "fingerprint": uuid4().hex,
            "severity": "critical",
            "labels": labels,
            "rule_id": rule_id,
            "started_at": self.clock.now(),
        }
        with self.units.organization(self.organizations.first) as uow:
            return open_alert(self.ctx, uow, values)

    def after(self, seconds: int, change: object, alert_id: AlertId) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        with self.units.organization(self.organizations.first) as uow:
            change(self.ctx, uow, alert_id)

    def work(self) -> int:
        while self.relay.step():
            pass
        return self.recorder.step()

    def told(self, name: str, organization_id: OrganizationId | None = None) -> dict[tuple[str, ...], float]:
        """The one point of each series, by its tags."""
        now_ns = self.clock.now_ns()
        query = MetricQuery(
            organization_id or self.organizations.first, "alert_events", name, Aggregate.SUM,
            now_ns - 3_600_000_000_000, now_ns + 1, group_by=TAGS,
        )  # fmt: skip
        answer = self.store.query(query)
        return {tuple(each.tags[tag] for tag in TAGS): float(each.points[0][1]) for each in answer.series}

    def unfinished(self) -> list[dict[str, object]]:
        """But for what the search index waits for."""
        unfinished = "SELECT kind, state, last_error FROM outbox WHERE state <> 'done' AND kind <> %s"
        return self.database.rows(unfinished, PROJECTION_DUE)


@pytest.fixture
def office(
    tmp_path, system_units, units, shifted_clock, database, two_organizations: TwoOrganizations
) -> Iterator[Office]:
    store = DuckDbMetricStore(tmp_path, shifted_clock)
    store.prepare()
    sender = Sender(system_units, None, None, CollectorRegistry())  # type: ignore[arg-type]
    yield Office(two_organizations, system_units, units, shifted_clock, FaultyMetricStore(store), database, sender)
    sender.close()
    store.close()


def test_each_change_of_an_alert_is_a_point_at_its_time(office):
    rule_id = office.rule()
    alert_id = office.fire(rule_id, host="web1", service="shop", team="core")
    office.after(30, acknowledge_alert, alert_id)
    office.after(60, resolve_alert, alert_id)
    with office.people.organization(office.organizations.first) as uow:
        delete_rule(office.ctx, uow, rule_id, 1)
    office.work()
    names = (str(alert_id), str(rule_id), "critical")
    where = ("web1", "shop")
    lasted = {
        (*names, "firing", *where): 0,
        (*names, "acknowledged", *where): 30,
        (*names, "resolved", *where): 90,
    }
    assert office.told("duration") == pytest.approx(lasted, abs=20)
    assert {tags[3]: value for tags, value in office.told("acknowledged").items()} == {
        "firing": 0, "acknowledged": 1, "resolved": 1,
    }  # fmt: skip
    assert set(office.told("escalation_level").values()) == {0}
    assert office.told("duration", office.organizations.second) == {}
    assert office.unfinished() == []
    series = office.database.rows("SELECT field FROM metric_series WHERE measurement = 'alert_events'")
    assert len(series) == 9


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_store_that_fails_around_its_write_has_the_point_once_and_holds_up_no_page(office, where):
    alert_id = office.fire(host="web1")
    getattr(office.store, where).extend([StoreUnavailableError("metrics", "is down")] * 3)
    for _ in range(3):
        assert office.work() == 0
        # All else that follows from the alert is done.
        assert [row["kind"] for row in office.unfinished()] == [POINT_DUE]
        office.clock.advance(timedelta(minutes=1))
    assert office.work() == 1
    assert office.told("duration") == {(str(alert_id), "", "critical", "firing", "web1", ""): 0}
    assert office.store.count_points(office.organizations.first) == 3


def test_a_worker_that_died_between_the_store_and_its_books_leaves_it_to_the_next(office):
    office.fire(host="web1")
    office.store.after.append(KeyboardInterrupt())  # nothing of the pass goes on
    with pytest.raises(KeyboardInterrupt):
        office.work()
    assert office.recorder.step() == 0  # the claim stands
    office.clock.advance(timedelta(minutes=2))
    assert office.recorder.step() == 1
    assert office.store.count_points(office.organizations.first) == 3
    # Minutes late: its hour is rolled up again.
    assert len(office.database.rows("SELECT 1 FROM dirty_windows")) == 1


def test_a_point_that_is_refused_for_good_again_and_again_is_parked_where_people_look(office):
    office.fire()
    office.store.before.extend([StoreRefusedError("metrics", "not this one")] * 20)
    for _ in range(20):
        office.work()
        office.clock.advance(timedelta(minutes=2))
    (parked,) = office.unfinished()
    assert (parked["state"], parked["last_error"]) == ("parked", "metrics: not this one")


def test_the_limits_of_an_organizations_series_hold_for_its_alerts(office):
    office.database.run(
        "INSERT INTO quotas (organization_id, name, value) VALUES (%s, 'series', 3)", office.organizations.first
    )
    first, second = office.fire(), office.fire()
    office.work()
    assert [tags[0] for tags in office.told("duration")] == [str(first)] != [str(second)]
    assert office.registry.get_sample_value("strata_alert_points_total", {"outcome": "refused"}) == 3
    assert office.unfinished() == []


def test_nothing_is_measured_of_an_organization_that_is_being_deleted(office):
    office.fire()
    office.database.run(
        "INSERT INTO tombstones (organization_id, slug, saga_id) VALUES (%s, 'acme', %s)",
        office.organizations.first,
        uuid4(),
    )
    assert office.work() == 1
    assert office.store.count_points(office.organizations.first) == 0
