"""The contract of strata_core.ports.unit_of_work, on a real PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select, text, update

from fixtures.relational import Database, TwoOrganizations
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork, UnitsOfWork
from strata_datamodel.errors import (
    ConflictError,
    DeadlineError,
    DeniedError,
    ErrorKind,
    InvalidError,
    StoreBusyError,
    StoreUnavailableError,
    StrataError,
)
from strata_datamodel.ids import OrganizationId, UserId, uuid7
from strata_datamodel.tables.all import api_keys, hosts, memberships, organizations, sessions, users
from strata_stores.breaker import Breaker, BreakerState
from strata_stores.clock import ShiftedClock
from strata_stores.postgres.connecting import Timeouts
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.roles import APP
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from waiting import eventually

NOW = 1_800_000_000_000


def host(organization_id: OrganizationId, name: str) -> dict[str, object]:
    return {"organization_id": organization_id, "id": uuid7(NOW), "name": name}


def host_names(units: UnitsOfWork, organization_id: OrganizationId) -> list[str]:
    with units.organization(organization_id) as uow:
        return sorted(uow.execute(select(hosts.c.name)).scalars())


def test_leaving_the_block_commits(
    units: UnitsOfWork, two_organizations: TwoOrganizations, second_unmoved: None
) -> None:
    with units.organization(two_organizations.first) as uow:
        uow.execute(insert(hosts), host(two_organizations.first, "web-1"))
    assert host_names(units, two_organizations.first) == ["web-1"]


def test_an_exception_rolls_back_and_is_raised_on(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    with pytest.raises(ZeroDivisionError), units.organization(two_organizations.first) as uow:
        assert uow.execute(insert(hosts), host(two_organizations.first, "web-1")).rowcount / 0
    assert host_names(units, two_organizations.first) == []


def test_an_organization_unit_sees_its_rows_only(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    assert host_names(units, two_organizations.first) == []
    assert host_names(units, two_organizations.second) == ["globex-db-1"]


def test_a_row_for_another_organization_is_refused(
    units: UnitsOfWork, two_organizations: TwoOrganizations, second_unmoved: None
) -> None:
    with pytest.raises(DeniedError), units.organization(two_organizations.first) as uow:
        uow.execute(insert(hosts), host(two_organizations.second, "planted"))


def test_a_row_cannot_be_moved_to_another_organization(
    units: UnitsOfWork, two_organizations: TwoOrganizations, second_unmoved: None
) -> None:
    with units.organization(two_organizations.first) as uow:
        uow.execute(insert(hosts), host(two_organizations.first, "web-1"))
    with pytest.raises(DeniedError), units.organization(two_organizations.first) as uow:
        uow.execute(update(hosts).values(organization_id=two_organizations.second))


@pytest.mark.parametrize("open_unit", ["person", "credential", "system"])
def test_a_unit_without_an_organization_says_so(system_units: SystemUnitsOfWork, open_unit: str) -> None:
    opened: dict[str, Callable[[], AbstractContextManager[UnitOfWork]]] = {
        "person": lambda: system_units.person(UserId(uuid7(NOW))),
        "credential": lambda: system_units.credential("x"),
        "system": system_units.system,
    }
    with opened[open_unit]() as uow, pytest.raises(InvalidError, match="not bound"):
        _ = uow.organization_id


def test_only_the_system_unit_sees_all(system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations) -> None:
    assert host_names(system_units, two_organizations.first) == []
    with system_units.system() as uow:
        assert uow.execute(select(hosts.c.name)).scalars().all() == ["globex-db-1"]
        assert uow.execute(select(organizations.c.slug).order_by(organizations.c.slug)).scalars().all() == [
            "acme",
            "globex",
        ]


@pytest.fixture
def people(system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations) -> tuple[UserId, UserId]:
    """One of the first organization, one of the second, each with a session; the first has an API key."""
    first, second = UserId(uuid7(NOW)), UserId(uuid7(NOW))
    expires = datetime.now(UTC) + timedelta(days=1)
    with system_units.system() as uow:
        for number, (user, organization) in enumerate(
            [(first, two_organizations.first), (second, two_organizations.second)], start=1
        ):
            uow.execute(insert(users), {"id": user, "email": f"person{number}@example.test"})
            uow.execute(
                insert(memberships),
                {"organization_id": organization, "id": uuid7(NOW), "user_id": user, "role": "owner"},
            )
            uow.execute(
                insert(sessions),
                {
                    "id": uuid7(NOW),
                    "user_id": user,
                    "token_hash": bytes([number]) * 32,
                    "idle_expires_at": expires,
                    "expires_at": expires,
                },
            )
            uow.execute(
                insert(api_keys),
                {
                    "organization_id": organization,
                    "id": uuid7(NOW),
                    "key_id": f"key{number}",
                    "secret_hash": b"x",
                    "name": "agent",
                    "scopes": ["ingest"],
                },
            )
    return first, second


def visible(uow: UnitOfWork) -> dict[str, int]:
    tables = (organizations, memberships, users, sessions, api_keys, hosts)
    counted = {table.name: len(uow.execute(select(table)).all()) for table in tables}
    return {name: count for name, count in counted.items() if count}


def test_a_person_sees_self_and_own_organizations(units: UnitsOfWork, people: tuple[UserId, UserId]) -> None:
    with units.person(people[1]) as uow:
        assert visible(uow) == {"organizations": 1, "memberships": 1, "users": 1, "sessions": 1}
        assert uow.execute(select(organizations.c.slug)).scalar_one() == "globex"


def test_a_person_cannot_join_an_organization_by_themselves(
    units: UnitsOfWork, people: tuple[UserId, UserId], two_organizations: TwoOrganizations, second_unmoved: None
) -> None:
    row = {"organization_id": two_organizations.second, "id": uuid7(NOW), "user_id": people[0], "role": "owner"}
    with pytest.raises(DeniedError), units.person(people[0]) as uow:
        uow.execute(insert(memberships), row)


def test_a_member_cannot_raise_their_own_role(units: UnitsOfWork, people: tuple[UserId, UserId]) -> None:
    with units.person(people[0]) as uow:
        assert uow.execute(update(memberships).values(role="admin")).rowcount == 0


@pytest.mark.parametrize(
    ("fingerprint", "seen"),
    [
        ("key1", {"api_keys": 1}),
        ("person2@example.test", {"users": 1}),
        ((bytes([1]) * 32).hex(), {"sessions": 1}),
        ("", {}),
        ("%", {}),
        ("' OR true --", {}),
    ],
)
def test_a_credential_sees_only_the_row_it_names(
    units: UnitsOfWork, people: tuple[UserId, UserId], fingerprint: str, seen: dict[str, int]
) -> None:
    with units.credential(fingerprint) as uow:
        assert visible(uow) == seen


def test_an_organization_sees_its_members_profiles(
    units: UnitsOfWork, people: tuple[UserId, UserId], two_organizations: TwoOrganizations
) -> None:
    with units.organization(two_organizations.first) as uow:
        assert visible(uow) == {"organizations": 1, "memberships": 1, "users": 1, "api_keys": 1}
        assert uow.execute(select(users.c.email)).scalar_one() == "person1@example.test"


def test_now_is_one_instant_that_the_clock_moves(
    units: UnitsOfWork, shifted_clock: ShiftedClock, two_organizations: TwoOrganizations
) -> None:
    with units.organization(two_organizations.first) as uow:
        before = uow.now()
        assert uow.execute(text("SELECT app.now()")).scalar_one() == before == uow.now()
    shifted_clock.advance(timedelta(days=40))
    with units.organization(two_organizations.first) as uow:
        assert uow.execute(text("SELECT app.now()")).scalar_one() == uow.now()
        assert timedelta(days=40) <= uow.now() - before < timedelta(days=40, minutes=5)


def test_ids_made_by_the_database_are_version_7_of_its_instant(
    units: UnitsOfWork, shifted_clock: ShiftedClock, two_organizations: TwoOrganizations
) -> None:
    shifted_clock.advance(timedelta(days=3650))
    with units.organization(two_organizations.first) as uow:
        made = [uow.execute(text("SELECT app.uuid_v7()")).scalar_one() for _ in range(50)]
        now_ms = int(uow.now().timestamp() * 1000)
    assert {value.version for value in made} == {7}
    assert {value.variant for value in made} == {"specified in RFC 4122"}
    assert {value.int >> 80 for value in made} == {now_ms}
    assert len(set(made)) == 50


def test_actions_run_after_commit_and_a_failing_one_is_harmless(
    units: UnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    seen: list[list[str]] = []
    with units.organization(two_organizations.first) as uow:
        uow.execute(insert(hosts), host(two_organizations.first, "web-1"))
        uow.after_commit(lambda: seen.append([*host_names(units, two_organizations.first), "first"]))
        uow.after_commit(lambda: 1 // 0 and None)
        uow.after_commit(lambda: seen.append(["last"]))
        assert seen == []
    assert seen == [["web-1", "first"], ["last"]]


def test_actions_of_a_rolled_back_unit_never_run(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    seen: list[str] = []
    with pytest.raises(ZeroDivisionError), units.organization(two_organizations.first) as uow:
        assert uow.after_commit(lambda: seen.append("ran")) or 1 // 0
    assert seen == []


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_a_unique_violation_tells_the_constraint_and_no_value(
    units: UnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    with units.organization(two_organizations.first) as uow:
        uow.execute(insert(hosts), host(two_organizations.first, "confidential-name"))
    with pytest.raises(ConflictError) as caught, units.organization(two_organizations.first) as uow:
        uow.execute(insert(hosts), host(two_organizations.first, "confidential-name"))
    assert caught.value.code == "already_exists"
    assert "uq_hosts_organization_id_name" in caught.value.detail
    assert not any("confidential" in f"{error!s}{vars(error)}" for error in chain(caught.value))


@pytest.mark.parametrize(
    ("statement", "kind", "code"),
    [
        ("UPDATE hosts SET status = 'confidential'", InvalidError, "value_not_allowed"),
        ("UPDATE hosts SET name = NULL", InvalidError, "value_missing"),
        ("SELECT 'confidential'::uuid", InvalidError, "invalid_value"),
        ("SELECT confidential", StrataError, "store_refused"),
        ("SELECT pg_sleep(20)", DeadlineError, "deadline_exceeded"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", StoreUnavailableError, "store_unavailable"),
        ("TRUNCATE hosts", DeniedError, "database_refused"),
    ],
)
def test_each_failure_has_its_meaning_and_no_values(
    database: Database,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
    statement: str,
    kind: type[StrataError],
    code: str,
) -> None:
    engine = open_engine(database.url(APP), role=APP, timeouts=Timeouts(statement_s=0.2))
    units = PostgresUnitsOfWork(engine, shifted_clock, Breaker("postgres", shifted_clock))
    with pytest.raises(kind) as caught, units.organization(two_organizations.second) as uow:
        uow.execute(text(statement))
    assert caught.value.code == code
    assert "confidential" not in f"{caught.value}{caught.value.detail}{caught.value.hint}"
    assert host_names(units, two_organizations.second) == ["globex-db-1"]  # the pool is whole
    engine.dispose()


def test_a_text_with_a_nul_is_the_callers_mistake(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    with pytest.raises(InvalidError), units.organization(two_organizations.first) as uow:
        uow.execute(insert(hosts), host(two_organizations.first, "a\x00b"))


def test_a_deadlock_is_a_concurrent_update(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    first = two_organizations.first
    with units.organization(first) as uow:
        uow.execute(insert(hosts), [host(first, "a"), host(first, "b")])
    both_hold_one = threading.Barrier(2, timeout=10)
    outcomes: list[str] = []

    def cross(one: str, other: str) -> None:
        try:
            with units.organization(first) as uow:
                uow.execute(update(hosts).where(hosts.c.name == one).values(status="up"))
                both_hold_one.wait()
                uow.execute(update(hosts).where(hosts.c.name == other).values(status="up"))
            outcomes.append("done")
        except ConflictError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["concurrent_update", "done"]


def test_a_used_up_pool_is_busy_after_its_wait_and_opens_no_breaker(
    database: Database, two_organizations: TwoOrganizations, shifted_clock: ShiftedClock
) -> None:
    engine = open_engine(database.url(APP), role=APP, pool_size=1, pool_wait_s=0.1)
    breaker = Breaker("postgres", shifted_clock, failures_to_open=2)
    units = PostgresUnitsOfWork(engine, shifted_clock, breaker)
    with units.organization(two_organizations.first):
        for _ in range(3):
            with pytest.raises(StoreBusyError, match="in use") as busy:
                host_names(units, two_organizations.second)
            assert (busy.value.kind, busy.value.code, busy.value.retry_after_s) == (
                ErrorKind.UNAVAILABLE,
                "store_busy",
                1,
            )
    assert (breaker.state, breaker.failures_total) == (BreakerState.CLOSED, 0)
    assert host_names(units, two_organizations.first) == []
    engine.dispose()


def test_connections_killed_while_pooled_are_replaced_unseen(
    units: UnitsOfWork, database: Database, two_organizations: TwoOrganizations
) -> None:
    with units.organization(two_organizations.first), units.organization(two_organizations.first):
        pass
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'strata_app'")
    for _ in range(3):
        assert host_names(units, two_organizations.second) == ["globex-db-1"]


def test_a_server_that_is_away_opens_the_breaker(
    database: Database, two_organizations: TwoOrganizations, shifted_clock: ShiftedClock
) -> None:
    engine = open_engine(f"{database.url(APP)}-away", role=APP)
    breaker = Breaker("postgres", shifted_clock, failures_to_open=2)
    units = PostgresUnitsOfWork(engine, shifted_clock, breaker)
    for _ in range(3):
        with pytest.raises(StoreUnavailableError), units.organization(two_organizations.first):
            pass
    assert breaker.state is BreakerState.OPEN
    assert breaker.failures_total == 2
    engine.dispose()


def test_a_server_that_fell_silent_is_given_up(
    database: Database, two_organizations: TwoOrganizations, shifted_clock: ShiftedClock
) -> None:
    """statement_timeout is longer here, so that only our own limit can end the wait."""
    engine = open_engine(database.url(APP), role=APP, timeouts=Timeouts(statement_s=60, answer_s=0.3))
    units = PostgresUnitsOfWork(engine, shifted_clock, Breaker("postgres", shifted_clock))
    with pytest.raises(StoreUnavailableError), units.organization(two_organizations.first) as uow:
        uow.execute(text("SELECT pg_sleep(30)"))
    assert host_names(units, two_organizations.second) == ["globex-db-1"]
    engine.dispose()
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'")


def test_a_lock_is_not_waited_for_without_end(
    database: Database, two_organizations: TwoOrganizations, shifted_clock: ShiftedClock
) -> None:
    engine = open_engine(database.url(APP), role=APP, timeouts=Timeouts(lock_s=0.2))
    units = PostgresUnitsOfWork(engine, shifted_clock, Breaker("postgres", shifted_clock))
    second = two_organizations.second
    with units.organization(second) as holder:
        holder.execute(update(hosts).values(status="up"))
        with pytest.raises(ConflictError) as caught, units.organization(second) as waiter:
            waiter.execute(update(hosts).values(status="down"))
    assert caught.value.code == "concurrent_update"
    engine.dispose()


def test_a_unit_left_idle_is_ended_by_the_server(
    database: Database, two_organizations: TwoOrganizations, shifted_clock: ShiftedClock
) -> None:
    engine = open_engine(database.url(APP), role=APP, timeouts=Timeouts(idle_in_transaction_s=0.2))
    units = PostgresUnitsOfWork(engine, shifted_clock, Breaker("postgres", shifted_clock))

    def idle_sessions() -> list[dict[str, object]]:
        return database.rows("SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'")

    def dawdle(uow: UnitOfWork) -> None:
        assert idle_sessions()
        eventually(lambda: not idle_sessions(), what="the end of the idle session")
        uow.execute(select(hosts))

    with pytest.raises(StoreUnavailableError), units.organization(two_organizations.first) as uow:
        dawdle(uow)
    engine.dispose()


def test_the_role_holds_whatever_the_session_does(app_engine: Engine, database: Database) -> None:
    engine = open_engine(database.admin_url, role=APP)
    with engine.connect() as connection:
        connection.execute(text("RESET ROLE"))
        assert connection.execute(text("SELECT current_user")).scalar_one() == APP
    engine.dispose()
