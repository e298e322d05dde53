"""PostgreSQL's health says what is wrong, to somebody who can mend it."""

from sqlalchemy import Engine

from fixtures.relational import Database
from strata_stores.clock import SystemClock
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.health import relational_health
from strata_stores.postgres.migrating import downgrade
from strata_stores.postgres.roles import APP


def test_a_migrated_database_is_ready(app_engine: Engine) -> None:
    health = relational_health(app_engine, SystemClock())
    assert health.is_ready, health.detail
    assert int(health.version.split(".")[0]) >= 15
    assert health.latency_ms is not None


def test_an_empty_database_says_what_to_run(own_database: Database, app_engine: Engine) -> None:
    downgrade(own_database.admin_url, "base")
    health = relational_health(app_engine, SystemClock())
    assert not health.is_ready
    assert "strata db upgrade" in health.detail


def test_a_role_that_row_security_does_not_bind_is_not_ready(database: Database) -> None:
    engine = open_engine(database.admin_url, role=None)
    health = relational_health(engine, SystemClock())
    engine.dispose()
    assert not health.is_ready
    assert "row security" in health.detail


def test_a_server_that_is_away_is_not_ready(database: Database) -> None:
    engine = open_engine(f"{database.url(APP)}-away", role=APP)
    health = relational_health(engine, SystemClock())
    engine.dispose()
    assert (health.is_ready, health.version) == (False, "")
