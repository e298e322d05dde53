"""The plans of queries that run often use an index, with row security on and as the role that runs them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event

from factories.contexts import context
from fixtures.relational import Database, TwoOrganizations
from strata_core.alerting.evaluation import claim_due_rules
from strata_core.audit.queries import AuditFilter, audit_page
from strata_core.context import Context
from strata_core.dead_letters.queries import dead_letter_page
from strata_core.dead_letters.replaying import take_replaying
from strata_core.idempotency.commands import begin
from strata_core.inventory.lists import HOSTS, SERVICES
from strata_core.inventory.sightings import record_sightings
from strata_core.notifying.commands import claim_notifications, purge_finished
from strata_core.outbox.commands import claim, take_due_for_ringing
from strata_core.outbox.queries import backlog
from strata_core.parked_events.queries import parked_events
from strata_core.ports.list_reader import Question
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork, UnitsOfWork
from strata_core.sagas.claiming import claim_sagas, purge_ended, recall_known
from strata_core.sagas.queries import saga_figures
from strata_core.series.queries import known_fingerprints
from strata_datamodel.ids import OrganizationId, OutboxId, uuid7
from strata_datamodel.inventory import Sighting

FILL = """
    INSERT INTO hosts (organization_id, name, status, environment) SELECT o.id, 'host-' || n, 'up', 'env-' || n % 50
        FROM organizations o, generate_series(1, 3000) n;
    INSERT INTO services (organization_id, host_id, name)
        SELECT organization_id, id, 'svc-' || substr(name, 6) FROM hosts;
    INSERT INTO outbox (organization_id, kind, schema_version, entity_kind, entity_id, state, done_at)
        SELECT o.id, 'x', 1, 'x', o.id, CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'done' END, now()
        FROM organizations o, generate_series(1, 5000) n;
    INSERT INTO webhooks (organization_id, name, url, secret_sealed, event_kinds)
        SELECT id, 'w', 'https://w.example', 'x', '{}' FROM organizations;
    INSERT INTO notifications (organization_id, outbox_id, webhook_id, event_kind, state, updated_at)
        SELECT w.organization_id, app.uuid_v7(), w.id, 'x',
            CASE n % 500 WHEN 0 THEN 'planned' WHEN 1 THEN 'sending' WHEN 2 THEN 'unknown' ELSE 'sent' END,
            now() - n * interval '5 minutes'
        FROM webhooks w, generate_series(1, 30000) n;
    INSERT INTO alert_rules (organization_id, name, severity, condition, next_due_at)
        SELECT o.id, n::text, 'info',
            '{"measurement": "m", "field": "f", "aggregate": "avg", "comparison": ">", "threshold": 1, "window_s": 60}',
            now() + CASE WHEN n % 100 = 0 THEN interval '-1 hour' ELSE interval '1 hour' END
        FROM organizations o, generate_series(1, 5000) n;
    INSERT INTO audit_log (organization_id, at, actor_kind, actor_label, action, target_kind, target_id)
        SELECT o.id, now() - n * interval '1 minute', 'user', 'a', 'x', 'host', 'h' || n % 500
        FROM organizations o, generate_series(1, 5000) n;
    INSERT INTO dead_letters (organization_id, signal, store, reason, item_count, content, content_format, state)
        SELECT o.id, 'logs', 's', 'r', 1, 'c', 'f', 'dropped' FROM organizations o, generate_series(1, 3000) n;
    INSERT INTO metric_series (organization_id, fingerprint, measurement, field, field_class)
        SELECT o.id, decode(md5(n::text), 'hex'), 'cpu', 'usage', 'number'
        FROM organizations o, generate_series(1, 5000) n;
    INSERT INTO idempotency (organization_id, principal, route, key, fingerprint, expires_at)
        SELECT o.id, 'p', 'r', n::text, 'f', now() FROM organizations o, generate_series(1, 5000) n;
    INSERT INTO sagas (organization_id, kind, definition_version, started_by, state, deadline_at, due_at, ended_at)
        SELECT o.id, 'k', 1, 'x', CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'done' END, now(),
            CASE WHEN n % 100 = 0 THEN now() END, CASE WHEN n % 100 <> 0 THEN now() - n * interval '1 hour' END
        FROM organizations o, generate_series(1, 5000) n;
    INSERT INTO saga_steps (organization_id, saga_id, seq, name, kind)
        SELECT organization_id, id, 0, 'only', 'local' FROM sagas;
    ANALYZE;
"""


@contextmanager
def plans_of(engine: Engine, explain_by: str = "EXPLAIN (FORMAT JSON) ") -> Iterator[list[dict[str, object]]]:
    """The plan of each statement that runs on the engine meanwhile, made just before it runs."""
    plans: list[dict[str, object]] = []

    def explain(connection, cursor, statement, parameters, context, executemany) -> None:
        if not executemany and "set_config" not in statement:
            plain = connection.connection.cursor()
            plain.execute(explain_by + statement, parameters)
            plans.append(plain.fetchone()[0][0]["Plan"])

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def scans(plan: dict[str, object]) -> Iterator[str]:
    """Tables that are read from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield str(plan["Relation Name"])
    for child in plan.get("Plans", ()):  # type: ignore[attr-defined]
        yield from scans(child)


def rows_read(plan: dict[str, object], table: str) -> Iterator[int]:
    """By each scan of the table, in all its loops."""
    if plan.get("Relation Name") == table:
        lost = sum(int(str(value)) for name, value in plan.items() if name.startswith("Rows Removed"))
        yield (int(float(str(plan["Actual Rows"]))) + lost) * int(str(plan["Actual Loops"]))
    for child in plan.get("Plans", ()):  # type: ignore[attr-defined]
        yield from rows_read(child, table)


@pytest.fixture
def filled(own_database: Database, two_organizations: TwoOrganizations) -> TwoOrganizations:
    own_database.run(FILL)
    return two_organizations


def read(uow: UnitOfWork, question: Question) -> object:
    return uow.execute(question.statement, question.values).all()


SMALL = {"webhooks", "organizations", "memberships", "tombstones"}
LATE = datetime(2030, 1, 1, tzinfo=UTC)
READS: dict[str, Callable[[Context, UnitOfWork], object]] = {
    "hosts": lambda ctx, uow: read(uow, HOSTS.question(ctx, limit=50, after=["host-2"])),
    "hosts down": lambda ctx, uow: read(uow, HOSTS.question(ctx, limit=50, where={"status": "down"})),
    "hosts of env": lambda ctx, uow: read(uow, HOSTS.question(ctx, limit=50, where={"environment": "env-3"})),
    "services": lambda ctx, uow: read(uow, SERVICES.question(ctx, limit=50, after=["svc-2", uuid7(1)])),
    "audit": lambda ctx, uow: audit_page(ctx, uow, limit=50, after=(LATE, uuid7(1))),
    "audit of target": lambda ctx, uow: audit_page(
        ctx, uow, limit=50, where=AuditFilter(target_kind="host", target_id="h7")
    ),
    "dead letters": lambda ctx, uow: dead_letter_page(ctx, uow, limit=50, state="open"),
    "parked events": lambda ctx, uow: parked_events(ctx, uow, limit=50),
    "idempotency": lambda ctx, uow: begin(ctx, uow, "r", "7", b"f"),
    "series": lambda ctx, uow: known_fingerprints(uow, [bytes(16), bytes(range(16))]),
    "sightings": lambda ctx, uow: record_sightings(
        uow, [Sighting(f"host-{number}", f"svc-{number}", LATE) for number in range(1, 20)]
    ),
}


def test_what_the_app_reads_often_is_found_by_index(
    units: UnitsOfWork, app_engine: Engine, filled: TwoOrganizations
) -> None:
    ctx = context(filled.first)
    found: dict[str, list[str]] = {}
    for name, run in READS.items():
        with plans_of(app_engine) as plans, units.organization(ctx.organization_id) as uow:
            run(ctx, uow)
        assert plans
        found[name] = [table for plan in plans for table in scans(plan)]
    assert found == {name: [] for name in READS}


def test_what_workers_look_for_over_all_organizations_is_found_by_index(
    system_units: SystemUnitsOfWork, worker_engine: Engine, filled: TwoOrganizations
) -> None:
    works: dict[str, Callable[[UnitOfWork], object]] = {
        "claim": lambda uow: claim(uow, "w", limit=10),
        "ring": lambda uow: claim(uow, "w", limit=1, outbox_id=OutboxId(uuid7(1))),
        "due": lambda uow: take_due_for_ringing(uow, 20),
        "backlog": backlog,
        "notifications": lambda uow: claim_notifications(uow, limit=16),
        "notifications, one organization full": lambda uow: claim_notifications(uow, limit=4, per_organization=2),
        "notifications of an event": lambda uow: claim_notifications(uow, outbox_id=OutboxId(uuid7(1))),
        "rules": lambda uow: claim_due_rules(uow, 4, per_organization=2, under_way={OrganizationId(uuid7(1)): 1}),
        "old notifications": lambda uow: purge_finished(uow, limit=1_000),
        "sagas": lambda uow: claim_sagas(uow, "w", limit=8),
        "sagas that became known": lambda uow: recall_known(uow, [("k", 1)]),
        "figures of sagas": saga_figures,
        "old sagas": lambda uow: purge_ended(uow, older_than=timedelta(days=200), limit=100),
        "letters to replay": lambda uow: take_replaying(uow, limit=20),
    }
    for name, work in works.items():
        with plans_of(worker_engine) as plans, system_units.system() as uow:
            work(uow)
        assert plans
        # Tables with a row or none for each of two organizations: there an index is no help.
        assert {table for plan in plans for table in scans(plan)} <= SMALL, name


def test_a_long_line_of_one_organization_is_not_read_to_find_the_next_rules(
    system_units: SystemUnitsOfWork, worker_engine: Engine, own_database: Database, filled: TwoOrganizations
) -> None:
    own_database.run("UPDATE alert_rules SET next_due_at = now() - interval '1 hour'; ANALYZE alert_rules")
    with plans_of(worker_engine, "EXPLAIN (ANALYZE, FORMAT JSON) ") as plans, system_units.system() as uow:
        assert len(claim_due_rules(uow, 4, per_organization=3)) == 4
    assert sum(rows_read(plans[0], "alert_rules")) < 50  # of 10,000


def test_a_query_without_an_index_would_be_seen(
    units: UnitsOfWork, app_engine: Engine, own_database: Database, filled: TwoOrganizations
) -> None:
    own_database.run("DROP INDEX ix_audit_log_organization_id_at_id, ix_audit_log_organization_id_actor_id_at")
    own_database.run(
        "ALTER TABLE audit_log DROP CONSTRAINT pk_audit_log; DROP INDEX ix_audit_log_organization_id_target"
    )
    ctx = context(filled.first)
    with plans_of(app_engine) as plans, units.organization(ctx.organization_id) as uow:
        audit_page(ctx, uow, limit=50, after=(LATE, uuid7(1)))
    assert list(scans(plans[0])) == ["audit_log"]
