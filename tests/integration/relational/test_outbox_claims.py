"""Events are claimed once at a time, whoever crashes, pauses or races."""

import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from fixtures.relational import Database, TwoOrganizations
from strata_core.outbox.commands import (
    LEASE,
    RUNG_AT_ONCE,
    append,
    claim,
    finish,
    park,
    postpone,
    purge_done,
    resume,
    take_due_for_ringing,
)
from strata_core.outbox.events import ClaimedEvent, Event
from strata_core.outbox.queries import Backlog, backlog
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import OrganizationId, OutboxId, uuid7
from strata_stores.clock import ShiftedClock

ENTITY = uuid7(1_800_000_000_000)


def add(
    units: UnitsOfWork,
    organization_id: OrganizationId,
    number: int = 1,
    kind: str = "thing.happened",
    entity_id: UUID | None = None,
) -> OutboxId:
    """Of an entity of its own, unless one is named: an entity's events wait for one another."""
    with units.organization(organization_id) as uow:
        return append(uow, Event(kind, 1, "thing", entity_id or uuid4(), {"number": number}))


def claim_one(system_units: SystemUnitsOfWork, worker: str, **options: object) -> ClaimedEvent | None:
    with system_units.system() as uow:
        claimed = claim(uow, worker, limit=1, **options)  # type: ignore[arg-type]
    return claimed[0] if claimed else None


def must_claim(system_units: SystemUnitsOfWork, worker: str) -> ClaimedEvent:
    claimed = claim_one(system_units, worker)
    assert claimed is not None
    return claimed


def states(database: Database) -> list[object]:
    return [row["state"] for row in database.rows("SELECT state FROM outbox ORDER BY id")]


def test_an_event_of_a_rolled_back_transaction_never_was(
    units: UnitsOfWork, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    with pytest.raises(ZeroDivisionError), units.organization(two_organizations.first) as uow:
        assert append(uow, Event("x", 1, "x", ENTITY)).int // 0
    assert claim_one(system_units, "w") is None


def test_many_workers_claim_each_event_once(
    units: UnitsOfWork, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    appended = {add(units, two_organizations.first, number) for number in range(60)}
    taken: list[OutboxId] = []
    lock = threading.Lock()
    start = threading.Barrier(4, timeout=10)

    def work(name: str) -> None:
        start.wait()
        while True:
            with system_units.system() as uow:
                claimed = claim(uow, name, limit=7)
            if not claimed:
                return
            with lock:
                taken.extend(event.outbox_id for event in claimed)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 60
    assert set(taken) == appended


def test_a_ring_heard_by_many_lets_one_through(
    units: UnitsOfWork, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    rung = add(units, two_organizations.first)
    add(units, two_organizations.first)
    got: list[ClaimedEvent | None] = []
    start = threading.Barrier(4, timeout=10)

    def answer() -> None:
        start.wait()
        got.append(claim_one(system_units, "w", outbox_id=rung))

    threads = [threading.Thread(target=answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [claimed.outbox_id for claimed in got if claimed] == [rung]


def test_the_event_comes_out_as_it_went_in(
    units: UnitsOfWork, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    event = Event(
        "thing.happened", 3, "thing", ENTITY, {"text": "ä\u2028", "list": [1, 2.5, None], "deep": {"a": True}}
    )
    with units.organization(two_organizations.first) as uow:
        append(uow, event)
    claimed = must_claim(system_units, "w")
    assert claimed.event == event
    assert claimed.organization_id == two_organizations.first
    assert (claimed.attempts, claimed.epoch) == (1, 1)


def test_a_crashed_workers_event_is_claimed_again_once_its_lease_is_over(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
) -> None:
    add(units, two_organizations.first)
    first = must_claim(system_units, "crashed")
    assert claim_one(system_units, "other") is None
    shifted_clock.advance(LEASE - timedelta(seconds=1))
    assert claim_one(system_units, "other") is None
    shifted_clock.advance(timedelta(seconds=2))
    second = must_claim(system_units, "other")
    assert second.outbox_id == first.outbox_id
    assert second.epoch == first.epoch + 1
    assert second.attempts == 2


def test_a_slow_worker_that_lost_its_lease_can_settle_nothing(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
) -> None:
    add(units, two_organizations.first)
    slow = must_claim(system_units, "slow")
    shifted_clock.advance(LEASE + timedelta(seconds=1))
    quick = must_claim(system_units, "quick")
    with system_units.organization(slow.organization_id) as uow:
        assert not finish(uow, slow)
        assert not postpone(uow, slow, delay=timedelta(0), reason="x")
        assert not park(uow, slow, reason="x")
        assert finish(uow, quick)
        assert not finish(uow, quick)


def test_a_slow_worker_nobody_overtook_may_still_finish(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
    database: Database,
) -> None:
    add(units, two_organizations.first)
    claimed = must_claim(system_units, "slow")
    shifted_clock.advance(LEASE * 2)
    with system_units.organization(claimed.organization_id) as uow:
        assert finish(uow, claimed)
    assert states(database) == ["done"]
    assert claim_one(system_units, "w") is None


def test_a_postponed_event_waits_and_keeps_its_reason(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
    database: Database,
) -> None:
    add(units, two_organizations.first)
    claimed = must_claim(system_units, "w")
    with system_units.system() as uow:
        assert postpone(uow, claimed, delay=timedelta(minutes=5), reason="receiver away " + "x" * 5_000)
    assert claim_one(system_units, "w") is None
    (row,) = database.rows("SELECT last_error, claimed_by FROM outbox")
    assert str(row["last_error"]).startswith("receiver away")
    assert len(str(row["last_error"])) == 1_000
    assert row["claimed_by"] is None
    shifted_clock.advance(timedelta(minutes=5))
    assert must_claim(system_units, "w").attempts == 2


def test_a_parked_event_waits_for_a_person(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
) -> None:
    add(units, two_organizations.first)
    claimed = must_claim(system_units, "w")
    with system_units.system() as uow:
        assert park(uow, claimed, reason="poison")
    shifted_clock.advance(timedelta(days=30))
    assert claim_one(system_units, "w") is None
    with system_units.organization(two_organizations.second) as uow:
        assert not resume(uow, two_organizations.second, claimed.outbox_id)
    with system_units.organization(two_organizations.first) as uow:
        assert resume(uow, two_organizations.first, claimed.outbox_id)
        assert not resume(uow, two_organizations.first, claimed.outbox_id)
    assert must_claim(system_units, "w").attempts == 1


def test_a_delayed_event_is_not_due_before_its_time(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
) -> None:
    with units.organization(two_organizations.first) as uow:
        append(uow, Event("x", 1, "x", ENTITY), delay=timedelta(hours=1))
    assert claim_one(system_units, "w") is None
    shifted_clock.advance(timedelta(hours=1))
    assert claim_one(system_units, "w") is not None


def test_a_kind_can_be_asked_for(
    units: UnitsOfWork, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    add(units, two_organizations.first, kind="a.b")
    wanted = add(units, two_organizations.first, kind="c.d")
    with system_units.system() as uow:
        assert [event.outbox_id for event in claim(uow, "w", limit=9, kinds=["c.d"])] == [wanted]


def test_a_ring_marks_an_event_but_does_not_claim_it(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
) -> None:
    event = add(units, two_organizations.first)
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 10) == [event]
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 10) == []
    shifted_clock.advance(timedelta(minutes=1))  # the ring was lost
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 10) == [event]
    assert must_claim(system_units, "w").outbox_id == event
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 10) == []


def test_the_app_can_neither_claim_nor_settle(
    units: UnitsOfWork, system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    add(units, two_organizations.first)
    with pytest.raises(DeniedError), units.organization(two_organizations.first) as uow:
        claim(uow, "app", limit=1)
    claimed = must_claim(system_units, "w")
    with pytest.raises(DeniedError), units.organization(two_organizations.first) as uow:
        finish(uow, claimed)


def test_the_backlog_counts_and_dates_what_is_due(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
) -> None:
    with system_units.system() as uow:
        assert backlog(uow) == Backlog(0, 0, None)
    add(units, two_organizations.first)
    with system_units.system() as uow:
        oldest = backlog(uow).oldest_due_at
    shifted_clock.advance(timedelta(minutes=3))
    add(units, two_organizations.second)
    parked = must_claim(system_units, "w")
    with system_units.system() as uow:
        park(uow, parked, reason="x")
    add(units, two_organizations.first)
    with system_units.system() as uow:
        found = backlog(uow)
    assert (found.pending, found.parked) == (2, 1)
    assert oldest is not None
    assert found.oldest_due_at is not None
    assert found.oldest_due_at > oldest


def test_finished_events_are_purged_in_bites_and_no_others(
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    two_organizations: TwoOrganizations,
    shifted_clock: ShiftedClock,
    database: Database,
) -> None:
    for number in range(5):
        add(units, two_organizations.first, number)
    for _ in range(3):
        claimed = must_claim(system_units, "w")
        with system_units.system() as uow:
            finish(uow, claimed)
    shifted_clock.advance(timedelta(days=8))
    with system_units.system() as uow:
        assert purge_done(uow, older_than=timedelta(days=9), limit=10) == 0
        assert purge_done(uow, older_than=timedelta(days=7), limit=2) == 2
        assert purge_done(uow, older_than=timedelta(days=7), limit=2) == 1
    assert states(database) == ["pending", "pending"]


def test_organizations_take_turns_however_long_the_line_of_one(
    system_units: SystemUnitsOfWork, database: Database, two_organizations: TwoOrganizations
) -> None:
    """Ten thousand due events of one, and then one of another: the other's is second, and no later."""
    database.run(
        "INSERT INTO outbox (organization_id, kind, schema_version, entity_kind, entity_id, due_at)"
        f" SELECT '{two_organizations.first}', 'many', 1, 'thing', app.uuid_v7(), now() - interval '1 hour'"
        " FROM generate_series(1, 10000)"
    )
    with system_units.system() as uow:
        assert len(take_due_for_ringing(uow, 50)) == 50
    late = add(system_units, two_organizations.second)
    with system_units.system() as uow:
        assert late in take_due_for_ringing(uow, 50)[:2]


def test_of_one_organization_no_more_are_rung_than_the_bell_bears(
    system_units: SystemUnitsOfWork, database: Database, two_organizations: TwoOrganizations
) -> None:
    """Or another's ring would stand behind all of them."""
    for number in range(RUNG_AT_ONCE + 5):
        add(system_units, two_organizations.first, number)
    with system_units.system() as uow:
        rung = take_due_for_ringing(uow, 1_000)
        assert len(rung) == RUNG_AT_ONCE
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 1_000) == []
    with system_units.system() as uow:
        (held,) = claim(uow, "w", limit=1, outbox_id=rung[0])
        assert finish(uow, held)
    with system_units.system() as uow:
        assert len(take_due_for_ringing(uow, 1_000)) == 1


def test_it_is_counted_how_often_a_worker_never_came_back(
    system_units: SystemUnitsOfWork, shifted_clock: ShiftedClock, two_organizations: TwoOrganizations
) -> None:
    outbox_id = add(system_units, two_organizations.first)
    assert must_claim(system_units, "dies").abandoned == 0
    shifted_clock.advance(LEASE)
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 10) == [outbox_id]
    held = must_claim(system_units, "fails")
    assert (held.attempts, held.abandoned) == (2, 1)
    with system_units.organization(two_organizations.first) as uow:
        assert postpone(uow, held, delay=timedelta(0), reason="a failure that is told is none of these")
    assert must_claim(system_units, "goes on").abandoned == 1


def test_an_entitys_events_are_taken_up_in_the_order_they_were_written_and_hold_up_no_other(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    first, second = (add(system_units, two_organizations.first, number, entity_id=ENTITY) for number in (1, 2))
    other = add(system_units, two_organizations.first, 3)
    head = must_claim(system_units, "w")
    assert head.outbox_id == first
    assert must_claim(system_units, "w").outbox_id == other
    assert claim_one(system_units, "w", outbox_id=second) is None
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 10) == []
        assert finish(uow, head)
        assert take_due_for_ringing(uow, 10) == [second]
    assert must_claim(system_units, "w").outbox_id == second


def test_an_entitys_long_line_costs_no_more_than_its_length(
    system_units: SystemUnitsOfWork, database: Database, two_organizations: TwoOrganizations
) -> None:
    """Each event compared with each would be four hundred million: the relay would time out, and ring for nobody."""
    database.run(
        "INSERT INTO outbox (organization_id, kind, schema_version, entity_kind, entity_id, due_at)"
        f" SELECT '{two_organizations.first}', 'many', 1, 'thing', '{ENTITY}', now() - interval '1 hour'"
        " FROM generate_series(1, 20000); ANALYZE outbox"
    )
    late = add(system_units, two_organizations.second)
    with system_units.system() as uow:
        rung = take_due_for_ringing(uow, 50)
    assert len(rung) == 2
    assert late in rung


def test_a_parked_event_holds_up_those_behind_it_no_longer(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    add(system_units, two_organizations.first, entity_id=ENTITY)
    second = add(system_units, two_organizations.first, entity_id=ENTITY)
    head = must_claim(system_units, "w")
    with system_units.organization(two_organizations.first) as uow:
        assert postpone(uow, head, delay=timedelta(hours=1), reason="down")
    assert claim_one(system_units, "w") is None
    with system_units.organization(two_organizations.first) as uow:
        assert park(uow, head, reason="hopeless")
    assert must_claim(system_units, "w").outbox_id == second


def test_of_two_that_waited_for_one_another_the_one_that_wrote_first_comes_first(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    """Whose transaction began earlier has the lower id, and may have written later."""
    with system_units.organization(two_organizations.first) as early:
        later = add(system_units, two_organizations.first, 1, entity_id=ENTITY)
        last = append(early, Event("thing.happened", 1, "thing", ENTITY, {"number": 2}))
    assert last < later
    assert must_claim(system_units, "w").outbox_id == later


def test_kinds_that_stand_apart_hold_up_no_others(
    system_units: SystemUnitsOfWork, two_organizations: TwoOrganizations
) -> None:
    slow = add(system_units, two_organizations.first, 1, kind="slow", entity_id=ENTITY)
    page = add(system_units, two_organizations.first, 2, entity_id=ENTITY)
    with system_units.system() as uow:
        assert take_due_for_ringing(uow, 10, ("slow",)) == [page]
    claimed = claim_one(system_units, "w", outbox_id=page, apart=("slow",))
    assert claimed is not None
    taken = claim_one(system_units, "w", kinds=("slow",))
    assert taken is not None
    assert taken.outbox_id == slow
