"""A key does its work once, whoever repeats it and however they race."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import insert

from factories.contexts import context
from fixtures.relational import Database, TwoOrganizations
from strata_core.context import Actor, ActorKind
from strata_core.idempotency.commands import begin, finish, forget, purge_expired
from strata_core.idempotency.rules import IN_FLIGHT_FOR, StoredReply
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork, UnitsOfWork
from strata_datamodel.errors import ConflictError, InvalidError, StrataError
from strata_datamodel.ids import OrganizationId, uuid7
from strata_datamodel.tables.all import hosts
from strata_stores.clock import ShiftedClock
from waiting import eventually

ROUTE, KEY, PRINT = "POST /hosts", "key-1", b"fingerprint-of-the-request"
REPLY = StoredReply(201, b'{"id": 1}', {"etag": '"1"'})


def do_work(uow: UnitOfWork, organization_id: OrganizationId, name: str = "made") -> None:
    uow.execute(insert(hosts), {"organization_id": organization_id, "id": uuid7(1), "name": name})


def test_a_repeated_request_gets_the_first_reply_and_does_nothing(
    units: UnitsOfWork, two_organizations: TwoOrganizations, second_unmoved: None
) -> None:
    ctx = context(two_organizations.first)
    with units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, ROUTE, KEY, PRINT) is None
        finish(ctx, uow, ROUTE, KEY, REPLY)
    with units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, ROUTE, KEY, PRINT) == REPLY


def test_another_request_under_the_same_key_is_refused(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    ctx = context(two_organizations.first)
    with units.organization(ctx.organization_id) as uow:
        begin(ctx, uow, ROUTE, KEY, PRINT)
        finish(ctx, uow, ROUTE, KEY, REPLY)
    with pytest.raises(InvalidError) as caught, units.organization(ctx.organization_id) as uow:
        begin(ctx, uow, ROUTE, KEY, b"another")
    assert caught.value.code == "idempotency_key_reused"


def test_keys_of_others_are_other_keys(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    mine = context(two_organizations.first)
    with units.organization(mine.organization_id) as uow:
        begin(mine, uow, ROUTE, KEY, PRINT)
        finish(mine, uow, ROUTE, KEY, REPLY)
    colleague = context(two_organizations.first, actor=Actor(ActorKind.API_KEY, uuid7(2), "agent"))
    stranger = context(two_organizations.second)
    with units.organization(two_organizations.first) as uow:
        assert begin(colleague, uow, ROUTE, KEY, PRINT) is None
        assert begin(mine, uow, "POST /services", KEY, PRINT) is None
    with units.organization(two_organizations.second) as uow:
        assert begin(stranger, uow, ROUTE, KEY, b"another") is None


def test_a_rolled_back_request_leaves_its_key_unused(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    ctx = context(two_organizations.first)
    with pytest.raises(ZeroDivisionError), units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, ROUTE, KEY, PRINT) or 1 // 0
    with units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, ROUTE, KEY, b"a corrected request") is None


def test_of_requests_at_once_one_works_and_the_others_hear_at_once_that_it_is_under_way(
    units: UnitsOfWork, two_organizations: TwoOrganizations, database: Database
) -> None:
    ctx = context(two_organizations.first)
    outcomes: list[str] = []
    working = threading.Event()
    others_answered = threading.Barrier(4, timeout=10)

    def first() -> None:
        with units.organization(ctx.organization_id) as uow:
            assert begin(ctx, uow, ROUTE, KEY, PRINT) is None
            working.set()
            others_answered.wait()  # would break if they waited for us
            do_work(uow, ctx.organization_id)
            finish(ctx, uow, ROUTE, KEY, REPLY)
        outcomes.append("worked")

    def other() -> None:
        working.wait(10)
        try:
            with units.organization(ctx.organization_id) as uow:
                begin(ctx, uow, ROUTE, KEY, PRINT)
            outcomes.append("worked too")
        except StrataError as error:
            outcomes.append(error.code)
        others_answered.wait()

    threads = [threading.Thread(target=first), *(threading.Thread(target=other) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["idempotency_in_flight"] * 3 + ["worked"]
    assert [row["name"] for row in database.rows("SELECT name FROM hosts WHERE name = 'made'")] == ["made"]


def test_a_storm_of_one_key_works_once(
    units: UnitsOfWork, two_organizations: TwoOrganizations, database: Database
) -> None:
    ctx = context(two_organizations.first)
    replies: list[object] = []
    start = threading.Barrier(5, timeout=10)

    def once(number: int) -> StoredReply | None:
        try:
            with units.organization(ctx.organization_id) as uow:
                reply = begin(ctx, uow, ROUTE, KEY, PRINT)
                if reply is None:
                    do_work(uow, ctx.organization_id, f"made-{number}")
                    finish(ctx, uow, ROUTE, KEY, reply := REPLY)
                return reply
        except ConflictError as error:
            return None if error.code == "idempotency_in_flight" else StoredReply(500, error.code.encode())

    def run(number: int) -> None:
        start.wait()
        replies.append(eventually(lambda: once(number)))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [REPLY] * 5
    assert len(database.rows("SELECT FROM hosts WHERE name LIKE 'made-%%'")) == 1


def test_a_request_that_never_finished_frees_its_key_after_a_while(
    units: UnitsOfWork, two_organizations: TwoOrganizations, shifted_clock: ShiftedClock
) -> None:
    ctx = context(two_organizations.first)
    with units.organization(ctx.organization_id) as uow:
        begin(ctx, uow, ROUTE, KEY, PRINT)  # committed, and the process died
    with pytest.raises(ConflictError) as caught, units.organization(ctx.organization_id) as uow:
        begin(ctx, uow, ROUTE, KEY, PRINT)
    assert caught.value.code == "idempotency_in_flight"
    shifted_clock.advance(IN_FLIGHT_FOR)
    with units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, ROUTE, KEY, PRINT) is None


def test_a_forgotten_key_can_be_used_again(units: UnitsOfWork, two_organizations: TwoOrganizations) -> None:
    ctx = context(two_organizations.first)
    with units.organization(ctx.organization_id) as uow:
        begin(ctx, uow, ROUTE, KEY, PRINT)
        forget(ctx, uow, ROUTE, KEY)
    with units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, ROUTE, KEY, b"another") is None


def test_replies_are_kept_for_a_day_and_then_purged(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
) -> None:
    ctx = context(two_organizations.first)
    with units.organization(ctx.organization_id) as uow:
        begin(ctx, uow, ROUTE, KEY, PRINT)
        finish(ctx, uow, ROUTE, KEY, REPLY)
    shifted_clock.advance(timedelta(hours=23))
    with system_units.system() as uow:
        assert purge_expired(uow, limit=10) == 0
    shifted_clock.advance(timedelta(hours=2))
    with units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, ROUTE, KEY, b"another") is None
        finish(ctx, uow, ROUTE, KEY, REPLY)
    shifted_clock.advance(timedelta(hours=25))
    with system_units.system() as uow:
        assert purge_expired(uow, limit=10) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ", "a\nb", "a\x00b"])
def test_a_key_that_cannot_be_one_is_refused(units: UnitsOfWork, two_organizations: TwoOrganizations, key: str) -> None:
    ctx = context(two_organizations.first)
    with pytest.raises(InvalidError) as caught, units.organization(ctx.organization_id) as uow:
        begin(ctx, uow, ROUTE, key, PRINT)
    assert caught.value.code == "bad_idempotency_key"
