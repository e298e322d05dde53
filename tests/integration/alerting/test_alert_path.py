"""From points to alerts on a real PostgreSQL and a real metric store: states, alerts, audit and events together."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from factories.point_batches import SECOND, batch_of, point
from fixtures.relational import Database, TwoOrganizations
from strata_core.access.permissions import PERMISSIONS
from strata_core.alerting.commands import acknowledge_alert, create_rule, delete_rule, replace_rule, resolve_alert
from strata_core.alerting.drafts import RuleDraft
from strata_core.alerting.evaluation import apply_answer, claim_due_rules, query_of
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.alerting import Comparison, Condition, DueRule
from strata_datamodel.errors import ConflictError, StoreUnavailableError
from strata_datamodel.ids import AlertId, RuleId
from strata_datamodel.metrics import MetricAnswer, MetricQuery
from strata_stores.clock import ShiftedClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_workers.evaluator import Evaluator
from waiting import eventually

pytestmark = pytest.mark.usefixtures("second_unmoved")


BROKEN = "broken"


class FlakyStore:
    """The real store, or none: what an evaluator sees of an outage. A question about `BROKEN` meets a bug in it."""

    def __init__(self, store: DuckDbMetricStore) -> None:
        self._store = store
        self.is_down = False
        self.answers_left: int | None = None

    def query(self, query: MetricQuery) -> MetricAnswer:
        if self.is_down or self.answers_left == 0:
            raise StoreUnavailableError("metrics", "does not answer")
        if self.answers_left is not None:
            self.answers_left -= 1
        if query.measurement == BROKEN:
            raise LookupError("a bug in the adapter")
        return self._store.query(query)


@dataclass
class Watch:
    ctx: Context
    units: SystemUnitsOfWork
    people: UnitsOfWork
    clock: ShiftedClock
    store: DuckDbMetricStore
    flaky: FlakyStore
    evaluator: Evaluator
    database: Database
    registry: CollectorRegistry

    def rule(self, **changes) -> RuleId:
        with self.people.organization(self.ctx.organization_id) as uow:
            return RuleId(create_rule(self.ctx, uow, draft(**changes))["id"])

    def report(self, value: float, host: str = "web1") -> None:
        """A point three seconds old: windows end two seconds before their slot."""
        at_ns = self.clock.now_ns() - 3 * SECOND
        self.store.write(batch_of(self.ctx.organization_id, point(at_ns, value, host=host)))

    def report_limit(self, limit: float | str, host: str = "web1") -> None:
        at_ns = self.clock.now_ns() - 3 * SECOND
        self.store.write(batch_of(self.ctx.organization_id, point(at_ns, limit, field="usage_critical", host=host)))

    def step(self) -> None:
        """The next slot: time moves on by the rule's interval."""
        self.clock.advance(timedelta(seconds=10))
        self.evaluate()

    def evaluate(self) -> None:
        """All that is due."""
        while self.evaluator.step():
            assert self.evaluator.drain(30)

    def alerts(self) -> list[dict]:
        return self.database.rows("SELECT * FROM alerts ORDER BY id")

    def claim(self) -> list[DueRule]:
        with self.units.system() as uow:
            return claim_due_rules(uow)

    def kinds(self) -> list[str]:
        rows = self.database.rows("SELECT kind FROM outbox WHERE entity_kind = 'alert' ORDER BY id")
        return [str(row["kind"]) for row in rows]

    def actions(self) -> list[str]:
        rows = self.database.rows("SELECT action FROM audit_log WHERE target_kind = 'alert' ORDER BY id")
        return [str(row["action"]) for row in rows]


def draft(measurement: str = "cpu", **changes) -> RuleDraft:
    condition = Condition(
        measurement=measurement, field="usage", aggregate="last", comparison=Comparison.GT, threshold=90, window_s=300,
        group_by=("host",),
    )  # fmt: skip
    return RuleDraft(**{"name": "cpu", "condition": condition, "interval_s": 10, **changes})


def by_field(**changes) -> RuleDraft:
    """Against what each host sends as its limit."""
    given = {name: getattr(draft().condition, name) for name in Condition.__struct_fields__}
    return draft(condition=Condition(**given | {"threshold": None, "threshold_field": "usage_critical"}), **changes)


@pytest.fixture
def watch(
    tmp_path, system_units, units, shifted_clock, database, two_organizations: TwoOrganizations
) -> Iterator[Watch]:
    store = DuckDbMetricStore(tmp_path, shifted_clock)
    store.prepare()
    flaky, registry = FlakyStore(store), CollectorRegistry()
    evaluator = Evaluator(system_units, flaky, registry)
    actor = Actor(ActorKind.USER, None, "ana@acme.test")
    ctx = Context(two_organizations.first, actor, PERMISSIONS, "test")
    yield Watch(ctx, system_units, units, shifted_clock, store, flaky, evaluator, database, registry)
    evaluator.close()
    store.close()


def test_a_crossed_threshold_opens_one_alert_with_its_audit_and_its_event(watch):
    watch.rule()
    watch.report(97.0)
    watch.step()
    watch.step()
    (alert,) = watch.alerts()
    assert (alert["status"], alert["value"], alert["labels"]) == ("firing", 97.0, {"host": "web1"})
    assert watch.kinds() == ["alert.fired"]
    assert watch.actions() == ["alert.fire"]


def test_each_combination_of_the_grouped_tags_has_its_own_alert(watch):
    watch.rule()
    watch.report(97.0, "web1")
    watch.report(50.0, "web2")
    watch.report(99.0, "db1")
    watch.step()
    assert sorted(alert["labels"]["host"] for alert in watch.alerts()) == ["db1", "web1"]


def test_an_alert_resolves_when_an_evaluation_is_within_again(watch):
    watch.rule()
    watch.report(97.0)
    watch.step()
    watch.report(20.0)
    watch.step()
    (alert,) = watch.alerts()
    assert alert["status"] == "resolved"
    assert alert["resolved_by"].startswith("evaluation")
    assert watch.kinds() == ["alert.fired", "alert.resolved"]


def test_an_outage_of_the_store_neither_fires_nor_resolves_and_is_told(watch):
    watch.rule()
    watch.report(97.0)
    watch.step()
    watch.flaky.is_down = True
    for _ in range(5):
        watch.step()
    (rule,) = watch.database.rows("SELECT * FROM alert_rules")
    assert (rule["last_result"], "does not answer" in rule["last_error"]) == ("error", True)
    assert [alert["status"] for alert in watch.alerts()] == ["firing"]
    watch.flaky.is_down = False
    watch.step()
    assert watch.kinds() == ["alert.fired"]


def test_a_series_that_falls_silent_keeps_its_alert_open(watch):
    watch.rule()
    watch.report(97.0)
    watch.step()
    watch.clock.advance(timedelta(hours=1))
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["firing"]
    (rule,) = watch.database.rows("SELECT last_result FROM alert_rules")
    assert rule["last_result"] == "no_data"


def test_a_wait_is_remembered_between_evaluations(watch):
    watch.rule(for_s=25)
    watch.report(97.0)
    for _ in range(2):
        watch.step()
    assert watch.alerts() == []
    watch.step()
    watch.step()
    assert len(watch.alerts()) == 1


@pytest.mark.parametrize("away", ["store", "worker"])
def test_an_outage_is_no_time_over_the_threshold(watch, away):
    watch.rule(for_s=35)
    watch.report(97.0)
    watch.step()
    watch.flaky.is_down = away == "store"
    for _ in range(6):
        watch.clock.advance(timedelta(seconds=10))
        if away == "store":
            watch.evaluate()
    watch.flaky.is_down = False
    watch.report(97.0)
    watch.step()
    assert watch.alerts() == []
    for _ in range(4):
        watch.step()
    assert len(watch.alerts()) == 1


def test_each_series_is_measured_by_the_threshold_that_it_sends(watch):
    watch.rule(condition=by_field().condition)
    watch.report(97.0, "web1")
    watch.report_limit(95.0, "web1")
    watch.report(97.0, "db1")
    watch.report_limit(98.0, "db1")
    watch.report_limit(1.0, "sends no values")
    watch.step()
    (alert,) = watch.alerts()
    assert (alert["labels"], alert["value"], alert["threshold"]) == ({"host": "web1"}, 97.0, 95.0)
    assert alert["summary"].endswith("= 97 > usage_critical = 95 (host=web1)")
    watch.report_limit(99.0, "web1")
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["resolved"]


def test_a_missing_threshold_is_no_data_and_keeps_what_is_open(watch):
    watch.rule(condition=by_field().condition)
    watch.report(97.0, "web1")
    watch.report_limit(95.0, "web1")
    watch.report(1e9, "sends no limit")
    watch.report(1e9, "sends a text")
    watch.report_limit("95", "sends a text")
    watch.step()
    assert [alert["labels"]["host"] for alert in watch.alerts()] == ["web1"]
    watch.clock.advance(timedelta(hours=1))
    for value in (97.0, 20.0):
        watch.report(value, "web1")
        watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["firing"]
    (rule,) = watch.database.rows("SELECT last_result FROM alert_rules")
    assert rule["last_result"] == "no_data"


def test_a_store_that_answers_for_values_and_not_for_thresholds_resolves_nothing(watch):
    watch.rule(condition=by_field().condition)
    watch.report(97.0)
    watch.report_limit(95.0)
    watch.step()
    watch.report_limit(99.0)
    watch.flaky.answers_left = 1
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["firing"]
    (rule,) = watch.database.rows("SELECT * FROM alert_rules")
    assert (rule["last_result"], "does not answer" in rule["last_error"]) == ("error", True)


def test_two_evaluators_of_one_slot_act_once(watch):
    watch.rule()
    watch.report(97.0)
    watch.clock.advance(timedelta(seconds=10))
    (due,) = watch.claim()
    answer = watch.store.query(query_of(due))
    for _ in range(2):
        with watch.units.organization(watch.ctx.organization_id) as uow:
            apply_answer(watch.ctx, uow, due, answer)
    assert len(watch.alerts()) == 1
    assert watch.kinds() == ["alert.fired"]


def test_an_older_slot_that_arrives_late_changes_nothing(watch):
    watch.rule()
    watch.report(97.0)
    watch.clock.advance(timedelta(seconds=10))
    (late,) = watch.claim()
    late_answer = watch.store.query(query_of(late))
    watch.report(20.0)
    watch.step()
    with watch.units.organization(watch.ctx.organization_id) as uow:
        apply_answer(watch.ctx, uow, late, late_answer)
    assert watch.alerts() == []


def test_a_claimed_rule_is_not_claimed_again_in_its_slot(watch):
    watch.rule()
    watch.clock.advance(timedelta(seconds=10))
    assert (len(watch.claim()), len(watch.claim())) == (1, 0)


def test_an_acknowledged_alert_stays_acknowledged_until_it_resolves(watch):
    watch.rule()
    watch.report(97.0)
    watch.step()
    alert_id = AlertId(watch.alerts()[0]["id"])
    for _ in range(2):
        with watch.people.organization(watch.ctx.organization_id) as uow:
            assert acknowledge_alert(watch.ctx, uow, alert_id)["acknowledged_by"] == "ana@acme.test"
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["acknowledged"]
    assert watch.kinds() == ["alert.fired", "alert.acknowledged"]
    watch.report(20.0)
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["resolved"]
    with pytest.raises(ConflictError), watch.people.organization(watch.ctx.organization_id) as uow:
        acknowledge_alert(watch.ctx, uow, alert_id)


def test_an_alert_resolved_by_hand_fires_anew_while_the_condition_holds(watch):
    watch.rule()
    watch.report(97.0)
    watch.step()
    with watch.people.organization(watch.ctx.organization_id) as uow:
        resolve_alert(watch.ctx, uow, AlertId(watch.alerts()[0]["id"]))
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["resolved", "firing"]


def test_deleting_a_rule_resolves_what_it_had_open(watch):
    rule_id = watch.rule()
    watch.report(97.0)
    watch.step()
    with watch.people.organization(watch.ctx.organization_id) as uow:
        delete_rule(watch.ctx, uow, rule_id, 1)
    (alert,) = watch.alerts()
    assert (alert["status"], alert["rule_id"]) == ("resolved", None)


def test_a_new_threshold_keeps_an_alert_open_and_other_series_end_it(watch):
    rule_id = watch.rule()
    watch.report(97.0)
    watch.step()
    condition = draft().condition
    with watch.people.organization(watch.ctx.organization_id) as uow:
        lower = Condition(
            **{name: getattr(condition, name) for name in condition.__struct_fields__} | {"threshold": 95}
        )
        replace_rule(watch.ctx, uow, rule_id, draft(condition=lower), 1)
    assert [alert["status"] for alert in watch.alerts()] == ["firing"]
    with watch.people.organization(watch.ctx.organization_id) as uow:
        other = Condition(
            **{name: getattr(condition, name) for name in condition.__struct_fields__} | {"measurement": "memory"}
        )
        replace_rule(watch.ctx, uow, rule_id, draft(condition=other), 2)
    assert [alert["status"] for alert in watch.alerts()] == ["resolved"]


def test_switching_a_rule_off_ends_what_it_had_open(watch):
    rule_id = watch.rule()
    watch.report(97.0)
    watch.step()
    with watch.people.organization(watch.ctx.organization_id) as uow:
        replace_rule(watch.ctx, uow, rule_id, draft(is_enabled=False), 1)
    assert [alert["status"] for alert in watch.alerts()] == ["resolved"]


def test_a_rule_that_meets_a_bug_keeps_no_other_waiting_and_says_so(watch):
    watch.rule(name="first in line", measurement=BROKEN)
    watch.rule()
    watch.report(97.0)
    watch.step()
    assert len(watch.alerts()) == 1
    (rule,) = watch.database.rows("SELECT * FROM alert_rules WHERE name = 'first in line'")
    assert (rule["last_result"], rule["last_error"]) == ("error", "internal error: LookupError")
    assert watch.registry.get_sample_value("strata_rule_evaluations_total", {"result": "failed"}) == 1


def test_a_daily_rule_whose_worker_died_is_due_again_within_a_minute(watch):
    watch.rule(interval_s=86_400)
    assert len(watch.claim()) == 1
    watch.clock.advance(timedelta(seconds=61))
    assert len(watch.claim()) == 1


def test_a_daily_rule_is_evaluated_once_a_day(watch):
    watch.rule(interval_s=86_400)
    watch.evaluate()
    watch.clock.advance(timedelta(seconds=61))
    assert watch.claim() == []
    watch.clock.advance(timedelta(days=1))
    assert len(watch.claim()) == 1


@pytest.mark.parametrize("change", ["other series", "deleted"])
def test_an_answer_to_what_a_rule_was_before_its_change_is_dropped(watch, change):
    rule_id = watch.rule()
    watch.report(97.0)
    watch.clock.advance(timedelta(seconds=10))
    (due,) = watch.claim()
    answer = watch.store.query(query_of(due))
    with watch.people.organization(watch.ctx.organization_id) as uow:
        if change == "deleted":
            delete_rule(watch.ctx, uow, rule_id, 1)
        else:
            replace_rule(watch.ctx, uow, rule_id, draft("memory"), 1)
    with watch.units.organization(watch.ctx.organization_id) as uow:
        apply_answer(watch.ctx, uow, due, answer)
    assert watch.alerts() == []


def test_an_alert_resolved_by_hand_during_an_evaluation_can_fire_anew(watch):
    watch.rule()
    watch.report(97.0)
    watch.step()
    watch.clock.advance(timedelta(seconds=10))
    (due,) = watch.claim()
    answer = watch.store.query(query_of(due))

    def evaluate() -> None:
        with watch.units.organization(watch.ctx.organization_id) as uow:
            apply_answer(watch.ctx, uow, due, answer)

    evaluation = threading.Thread(target=evaluate)
    with watch.people.organization(watch.ctx.organization_id) as uow:
        resolve_alert(watch.ctx, uow, AlertId(watch.alerts()[0]["id"]))
        evaluation.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        eventually(lambda: watch.database.rows(waiting))
    evaluation.join(10)
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["resolved", "firing"]


def test_a_clock_that_was_put_back_silences_no_rule(watch):
    watch.rule()
    watch.clock.advance(timedelta(hours=1))
    watch.report(20.0)
    watch.step()
    watch.clock.advance(timedelta(hours=-1))
    watch.report(97.0)
    watch.evaluator.recall()
    watch.step()
    assert [alert["status"] for alert in watch.alerts()] == ["firing"]
    (rule,) = watch.database.rows("SELECT last_evaluated_at <= now() + interval '1 minute' AS is_past FROM alert_rules")
    assert rule["is_past"]
