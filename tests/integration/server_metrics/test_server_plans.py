"""What the specification asks of servers is answered from indexes, and from the weeks alone that the question is about,
with row security on and as the role that asks."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text

from factories.contexts import context
from fixtures.relational import Database, TwoOrganizations
from integration.relational.test_query_plans import plans_of, scans
from strata_core.listing.views import ListView
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.server_metrics.lists import DAYS, ERRORS, HOURS, RAW, REGIONS

FILL = """
    INSERT INTO hosts (organization_id, name, region)
        SELECT o.id, 'host-' || n, 'r' || n % 3 FROM organizations o, generate_series(1, 20) n;
    INSERT INTO server_metrics (organization_id, server_id, timestamp, cpu_usage)
        SELECT organization_id, id, app.now() - n * interval '1 hour', n % 101 FROM hosts, generate_series(1, 500) n;
    INSERT INTO error_logs (organization_id, server_id, timestamp, id, level, message)
        SELECT organization_id, server_id, timestamp, gen_random_uuid(), 'error', 'x' FROM server_metrics;
    INSERT INTO server_metrics_hourly (organization_id, server_id, hour, samples, cpu_samples, memory_samples,
            disk_samples, load_samples, errors)
        SELECT organization_id, server_id, date_trunc('hour', timestamp), 1, 0, 0, 0, 0, 0 FROM server_metrics;
    INSERT INTO server_metrics_daily (organization_id, server_id, day, region, samples, cpu_samples, memory_samples,
            disk_samples, load_samples, errors)
        SELECT h.organization_id, h.id, app.now()::date - n, COALESCE(h.region, ''), 1, 0, 0, 0, 0, 0
        FROM hosts h, generate_series(0, 89) n;
    ANALYZE;
"""
ALONE = "m.organization_id = :organization AND m.timestamp > now() - interval '1 day' AND m.timestamp <= now()"
ASKED: dict[str, str] = {
    "a server's day": f"SELECT timestamp, cpu_usage FROM server_metrics m WHERE server_id = :server AND {ALONE}"
    " ORDER BY timestamp DESC",
    "a server's newest": "SELECT * FROM server_metrics m WHERE server_id = :server AND organization_id = :organization"
    " AND timestamp > now() - interval '1 hour' AND timestamp <= now() ORDER BY timestamp DESC LIMIT 1",
    "busy servers": f"SELECT s.name, m.cpu_usage FROM server_metrics m JOIN servers s ON s.organization_id ="
    f" m.organization_id AND s.id = m.server_id WHERE m.cpu_usage > 90 AND m.server_id = ANY (:servers) AND {ALONE}",
    "errors of a server": "SELECT s.name, m.message FROM error_logs m JOIN servers s ON s.organization_id ="
    f" m.organization_id AND s.id = m.server_id WHERE s.id = :server AND {ALONE} ORDER BY m.timestamp DESC LIMIT 50",
}
VIEWS: Mapping[str, ListView] = {"raw": RAW, "hours": HOURS, "days": DAYS, "errors": ERRORS, "regions": REGIONS}


@pytest.fixture
def filled(
    own_database: Database, two_organizations: TwoOrganizations, system_units: SystemUnitsOfWork
) -> TwoOrganizations:
    with system_units.system() as uow:
        uow.execute(select(func.app.keep_server_parts(timedelta(days=35))))
    own_database.run(FILL)
    with system_units.system() as uow:
        uow.execute(select(func.app.refresh_server_summaries()))
    own_database.run("ANALYZE server_region_days_held")
    return two_organizations


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def parts_read(plan: Mapping[str, Any]) -> set[str]:
    names = {str(node.get("Relation Name")) for node in nodes(plan)}
    return {name for name in names if name.startswith(("server_metrics_2", "error_logs_2"))}


def test_each_question_reads_an_index_of_the_weeks_it_is_about(
    units: UnitsOfWork, app_engine: Engine, filled: TwoOrganizations
) -> None:
    ctx = context(filled.first)
    with units.organization(filled.first) as uow:
        ids = [row.id for row in uow.execute(text("SELECT id FROM servers ORDER BY name"))]
        values = {"organization": filled.first, "server": ids[0], "servers": ids[:5]}
        now = uow.now()
        with plans_of(app_engine) as plans:
            for statement in ASKED.values():
                uow.execute(text(statement), values).all()
            for name, view in VIEWS.items():
                where: dict[str, object] = {"begin": now - timedelta(days=1), "end": now, "server_id": ids[0]}
                if name in {"days", "regions"}:
                    where |= {"begin": now.date() - timedelta(days=1), "end": now.date()}
                if name == "regions":
                    del where["server_id"]
                question = view.question(ctx, limit=50, where=where)
                uow.execute(question.statement, question.values).all()
    read = dict(zip([*ASKED, *VIEWS], plans, strict=True))
    assert {name: found for name, plan in read.items() if (found := set(scans(plan)) - {"hosts"})} == {}
    assert {name: len(parts_read(plan)) for name, plan in read.items() if not 1 <= len(parts_read(plan)) <= 2} == {
        "hours": 0,
        "days": 0,
        "regions": 0,
    }
