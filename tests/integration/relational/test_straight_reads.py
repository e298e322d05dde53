"""Lists go another way to PostgreSQL than everything else: the same walls stand there."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, func, literal_column, select

from factories.contexts import context
from factories.lists import listed, names_of
from fixtures.relational import Database, TwoOrganizations
from strata_core.access.grants import Grant
from strata_core.context import Context
from strata_core.inventory.commands import create_host
from strata_core.inventory.lists import HOSTS, SERVICES, tag_condition
from strata_core.inventory.rules import HostDraft
from strata_core.ports.list_reader import Question
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import DeadlineError, DeniedError, InvalidError, StoreUnavailableError
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.postgres.connecting import Timeouts
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.roles import APP
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork


def backend_of(engine: Engine) -> int | None:
    with engine.connect() as connection:
        return connection.scalar(select(func.pg_backend_pid()))


@pytest.fixture
def ctx(two_organizations: TwoOrganizations) -> Context:
    return context(two_organizations.first)


@pytest.fixture
def other(two_organizations: TwoOrganizations) -> Context:
    return context(two_organizations.second)


def add_host(units: UnitsOfWork, ctx: Context, name: str, **fields: object) -> None:
    with units.organization(ctx.organization_id) as uow:
        create_host(ctx, uow, HostDraft(name, **fields))  # type: ignore[arg-type]


def test_row_security_holds_whatever_the_statement_asks_for(
    units: UnitsOfWork, ctx: Context, other: Context, app_engine: Engine
) -> None:
    add_host(units, ctx, "ours")
    add_host(units, other, "theirs")
    honest = HOSTS.question(ctx, limit=9)
    forged = replace(honest, values={**honest.values, "organization_id": other.organization_id})
    for _ in range(20):  # also once PostgreSQL has settled on a plan that knows no values
        assert names_of(listed(units, honest)) == ["ours"]
        assert listed(units, forged) == []
        assert names_of(listed(units, HOSTS.question(other, limit=9))) == ["globex-db-1", "theirs"]
    with app_engine.connect() as connection:
        assert connection.scalar(select(func.current_setting("app.organization_id", True))) in {None, ""}
        assert connection.scalar(select(func.count()).select_from(HOSTS.source)) == 0


def test_scopes_show_what_carries_their_labels_and_no_permission_shows_nothing(
    units: UnitsOfWork, ctx: Context
) -> None:
    add_host(units, ctx, "core", tags={"team": "core", "rack": "a"})
    add_host(units, ctx, "edge", tags={"team": "edge"})
    add_host(units, ctx, "none")
    scopes = frozenset({Grant("hosts:read", (("team", "core"),)), Grant("hosts:write", (("team", "edge"),))})
    scoped = replace(ctx, permissions=frozenset(), scoped=scopes)
    assert names_of(listed(units, HOSTS.question(scoped, limit=9))) == ["core"]
    assert listed(units, HOSTS.question(scoped, limit=9, where=tag_condition("team:edge"))) == []
    with pytest.raises(DeniedError):
        HOSTS.question(replace(ctx, permissions=frozenset({"hosts:write"})), limit=9)


def test_any_text_comes_back_as_it_went_in(units: UnitsOfWork, ctx: Context) -> None:
    names = ['"quoted"\\ \'n', "$1 %(limit)s :limit", "ünï 🙂", "{a,b}"]
    for name in names:
        add_host(units, ctx, name, metadata={"deep": [f"{name}\n\u2028", None, 1.5, {"a": True}]}, tags={name: name})
    shown = {host["name"]: host for host in listed(units, HOSTS.question(ctx, limit=9))}
    assert set(shown) == set(names)
    for name, host in shown.items():
        assert (host["metadata"], host["tags"]) == ({"deep": [f"{name}\n\u2028", None, 1.5, {"a": True}]}, {name: name})
        assert names_of(listed(units, HOSTS.question(ctx, limit=9, where=tag_condition(f"{name}:{name}")))) in (
            [name],
            [],  # a key with a colon in it cannot be asked for
        )
        assert names_of(listed(units, HOSTS.question(ctx, limit=9, where={"name_prefix": name}))) == [name]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_postgresql_cannot_hold_is_refused_and_not_cut_short(units: UnitsOfWork, ctx: Context, text: str) -> None:
    add_host(units, ctx, "a")
    with pytest.raises(InvalidError):
        listed(units, HOSTS.question(ctx, limit=9, where={"name_prefix": text}))


def test_a_nul_in_a_tag_is_refused_and_costs_no_connection(
    units: UnitsOfWork, ctx: Context, app_engine: Engine
) -> None:
    escaped = "\\u0000"  # six signs, none of which is a NUL
    add_host(units, ctx, "a", tags={escaped: "\\" + escaped})
    before = backend_of(app_engine)
    for where in (tag_condition("a\0b:c"), tag_condition("a:\\\0"), tag_condition("\0")):
        with pytest.raises(InvalidError):
            listed(units, HOSTS.question(ctx, limit=9, where=where))
    assert names_of(listed(units, HOSTS.question(ctx, limit=9, where=tag_condition(f"{escaped}:\\{escaped}")))) == ["a"]
    assert backend_of(app_engine) == before


def test_a_bad_value_is_an_answer_and_the_next_question_gets_its_own(units: UnitsOfWork, ctx: Context) -> None:
    add_host(units, ctx, "a")
    for _ in range(3):
        with pytest.raises(InvalidError):
            listed(units, SERVICES.question(ctx, limit=9, where={"host_id": "no uuid"}))
        assert names_of(listed(units, HOSTS.question(ctx, limit=9))) == ["a"]


def test_instants_are_utc_with_milliseconds(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    add_host(units, ctx, "a")
    database.run(
        "UPDATE hosts SET first_seen_at = '2026-03-29 02:30:00.0015+02', last_seen_at = '2026-12-31 23:59:59Z'"
    )
    host = listed(units, HOSTS.question(ctx, limit=9))[0]
    assert (host["first_seen_at"], host["last_seen_at"]) == ("2026-03-29T00:30:00.001Z", "2026-12-31T23:59:59.000Z")
    assert datetime.fromisoformat(host["created_at"]).tzinfo == UTC


def test_a_connection_that_died_in_the_pool_is_replaced(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    add_host(units, ctx, "a")
    assert names_of(listed(units, HOSTS.question(ctx, limit=9))) == ["a"]
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert names_of(listed(units, HOSTS.question(ctx, limit=9))) == ["a"]


@pytest.mark.parametrize(
    ("timeouts", "error"),
    [(Timeouts(statement_s=0.05), DeadlineError), (Timeouts(statement_s=9, answer_s=0.3), StoreUnavailableError)],
)
def test_waiting_has_an_end_on_either_side(
    database: Database, ctx: Context, timeouts: Timeouts, error: type[Exception]
) -> None:
    engine = open_engine(database.url(APP), role=APP, timeouts=timeouts)
    clock = SystemClock()
    reader = PostgresUnitsOfWork(engine, clock, Breaker("postgres", clock))
    slow = Question(ctx.organization_id, select(literal_column("'{}', pg_sleep(5)")), {})
    try:
        with pytest.raises(error):
            reader.page(slow)
        assert listed(reader, HOSTS.question(ctx, limit=9)) == []  # and not the answer that came too late
    finally:
        engine.dispose()
