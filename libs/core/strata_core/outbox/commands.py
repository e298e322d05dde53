"""Writing events, and taking them up. Only workers take up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)

from strata_core.new_ids import new_id
from strata_core.outbox.catalogue import check_declared
from strata_core.outbox.events import ClaimedEvent, Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId, OutboxId
from strata_datamodel.limits import OUTBOX_ERROR_LENGTH
from strata_datamodel.tables.outbox import outbox

LEASE: Final = timedelta(seconds=60)
RING_LEASE: Final = timedelta(seconds=10)
"""A ring that nobody answered in this time is taken for lost, and rung again."""
RUNG: Final = "rung"
RUNG_AT_ONCE: Final = 200
_ABANDONED: Final = outbox.c.abandoned + case(
    (and_(outbox.c.claimed_by.is_not(None), outbox.c.claimed_by != RUNG), 1), else_=0
)
"""Who settles what it claimed leaves no name: one in a row that is free is a worker's that never came back."""


def append(uow: UnitOfWork, event: Event, *, delay: timedelta = timedelta(0)) -> OutboxId:
    """Happens if, and only if, the transaction commits. Raises InvalidError (code `bad_event`) for an event that is not
    what the catalogue says of its kind."""
    check_declared(event)
    outbox_id = OutboxId(new_id(uow))
    uow.execute(
        insert(outbox),
        {
            "organization_id": uow.organization_id,
            "id": outbox_id,
            "kind": event.kind,
            "schema_version": event.schema_version,
            "entity_kind": event.entity_kind,
            "entity_id": event.entity_id,
            "payload": dict(event.payload),
            "due_at": uow.now() + delay,
            "created_at": uow.now(),
        },
    )
    return outbox_id


def take_due_for_ringing(
    uow: UnitOfWork, limit: int, apart: Sequence[str] = (), quiet: Sequence[str] = ()
) -> list[OutboxId]:
    """Due events that nobody holds, marked as rung: the relay's part. Commit, then ring. Organizations take turns, the
    first of each before the second of any; of none are more than RUNG_AT_ONCE rung and unfinished, so that whoever
    comes new to the bell waits for that many of each other at most. Kinds that stand `apart`, and those that are
    `quiet`, are looked for by others.
    """
    now = uow.now()
    line = _line(now, apart, quiet).cte("line").prefix_with("MATERIALIZED", dialect="postgresql")
    free = or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now)
    due = (
        select(outbox.c.organization_id, outbox.c.id, line.c.turn)
        .join(line, and_(line.c.organization_id == outbox.c.organization_id, line.c.id == outbox.c.id))
        # Looked at again under the lock: another relay may have rung since.
        .where(outbox.c.state == "pending", outbox.c.due_at <= now, free)
        .order_by(line.c.turn, outbox.c.due_at, outbox.c.id)
        .limit(limit)
        .with_for_update(of=outbox, skip_locked=True)
        .cte("due")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    rows = uow.execute(
        update(outbox)
        .where(outbox.c.organization_id == due.c.organization_id, outbox.c.id == due.c.id)
        .values(claimed_by=RUNG, lease_until=now + RING_LEASE, abandoned=_ABANDONED)
        .returning(due.c.turn, outbox.c.due_at, outbox.c.id)
    )
    return [OutboxId(row.id) for row in sorted(rows, key=lambda row: (row.turn, row.due_at, row.id))]


def _line(now: datetime, apart: Sequence[str], quiet: Sequence[str]) -> Select[tuple[UUID, UUID, int]]:
    """The head of each organization's line. One look into an index for each of them, however long its line is; those
    who wait behind the head are not read."""
    pending = outbox.c.state == literal_column("'pending'")
    first = select(outbox.c.organization_id).where(pending).order_by(outbox.c.organization_id).limit(1)
    waiting = select(first.scalar_subquery().label("organization_id")).cte("waiting", recursive=True)
    following = (
        select(outbox.c.organization_id)
        .where(pending, outbox.c.organization_id > waiting.c.organization_id)
        .order_by(outbox.c.organization_id)
        .limit(1)
        .correlate(waiting)
    )
    more = select(following.scalar_subquery()).where(waiting.c.organization_id.is_not(None))
    waiting = waiting.union_all(more)
    head = (
        select(outbox.c.id, func.row_number().over(order_by=(outbox.c.due_at, outbox.c.id)).label("turn"))
        .where(pending, outbox.c.organization_id == waiting.c.organization_id, outbox.c.due_at <= now)
        .where(outbox.c.kind.not_in((*apart, *quiet)), ~_has_one_before(apart))
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(RUNG_AT_ONCE)
        .lateral("head")
    )
    return select(waiting.c.organization_id, head.c.id, head.c.turn).join(head, true())


def claim(
    uow: UnitOfWork,
    worker: str,
    *,
    limit: int,
    lease: timedelta = LEASE,
    outbox_id: OutboxId | None = None,
    kinds: Sequence[str] = (),
    apart: Sequence[str] = (),
) -> list[ClaimedEvent]:
    """Take up to `limit` due events that nobody holds, oldest due first; of a doorbell's ring, the one it names. Rows
    that others are claiming this instant are passed over, not waited for. Time is the database's, so that workers with
    wrong clocks cannot steal. Commit before acting on them: a claim that is not committed protects nothing.

    An entity's events are taken up in the order in which they were written: not before those ahead are done or parked.
    Whoever names `kinds` gets them in any order, and kinds that stand `apart` hold up no others."""
    now = uow.now()
    free = [outbox.c.state == "pending", outbox.c.due_at <= now]
    free.append(or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now, outbox.c.claimed_by == RUNG))
    if outbox_id is not None:
        free.append(outbox.c.id == outbox_id)
    if kinds:
        free.append(outbox.c.kind.in_(kinds))
    else:
        free.append(~_has_one_before(apart))
    key = tuple_(outbox.c.organization_id, outbox.c.id)
    chosen = (
        select(outbox.c.organization_id, outbox.c.id)
        .where(*free)
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
        # Materialized, or a plan could run the sub-select again and lock more rows than the limit.
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    rows = uow.execute(
        update(outbox)
        .where(key.in_(select(chosen.c.organization_id, chosen.c.id)))
        .values(
            claimed_by=worker,
            lease_until=now + lease,
            epoch=outbox.c.epoch + 1,
            attempts=outbox.c.attempts + 1,
            abandoned=_ABANDONED,
        )
        .returning(*outbox.c)
    ).mappings()
    claimed = [
        ClaimedEvent(
            outbox_id=OutboxId(row["id"]),
            organization_id=OrganizationId(row["organization_id"]),
            event=Event(row["kind"], row["schema_version"], row["entity_kind"], row["entity_id"], row["payload"]),
            epoch=row["epoch"],
            attempts=row["attempts"],
            abandoned=row["abandoned"],
            created_at=row["created_at"],
            lease_until=row["lease_until"],
        )
        for row in rows
    ]
    return sorted(claimed, key=lambda event: event.outbox_id)


def finish(uow: UnitOfWork, claimed: ClaimedEvent) -> bool:
    """Done for good. False when the lease was lost to another worker: then roll back what was done for it."""
    return _settle(uow, claimed, state="done", done_at=uow.now(), last_error=None)


def finish_all(uow: UnitOfWork, claimed: Sequence[ClaimedEvent]) -> int:
    """As `finish`, for events that nothing was done for in this transaction; how many were still ours."""
    return _settle_all(uow, claimed, state="done", done_at=uow.now(), last_error=None)


def postpone_all(uow: UnitOfWork, claimed: Sequence[ClaimedEvent], *, delay: timedelta, reason: str) -> int:
    return _settle_all(uow, claimed, due_at=uow.now() + delay, last_error=reason[:OUTBOX_ERROR_LENGTH])


def release(uow: UnitOfWork, claimed: ClaimedEvent) -> bool:
    """Free for whoever looks next, with nothing held against it. False when the lease was lost."""
    return _settle(uow, claimed)


def postpone(uow: UnitOfWork, claimed: ClaimedEvent, *, delay: timedelta, reason: str) -> bool:
    """Try again after `delay`. False when the lease was lost."""
    return _settle(uow, claimed, due_at=uow.now() + delay, last_error=reason[:OUTBOX_ERROR_LENGTH])


def park(uow: UnitOfWork, claimed: ClaimedEvent, *, reason: str) -> bool:
    """Not tried again until a person asks for it; stays visible. False when the lease was lost."""
    return _settle(uow, claimed, state="parked", last_error=reason[:OUTBOX_ERROR_LENGTH])


def resume(uow: UnitOfWork, organization_id: OrganizationId, outbox_id: OutboxId) -> bool:
    """A person asks for a parked event to be tried again. False when it is not parked."""
    mine = and_(outbox.c.organization_id == organization_id, outbox.c.id == outbox_id)
    result = uow.execute(
        update(outbox)
        .where(mine, outbox.c.state == "parked")
        .values(state="pending", due_at=uow.now(), attempts=0, abandoned=0)
    )
    return result.rowcount == 1


def purge_done(uow: UnitOfWork, *, older_than: timedelta, limit: int) -> int:
    """Delete finished events in bounded bites; returns how many."""
    old = (
        select(outbox.c.organization_id, outbox.c.id)
        .where(outbox.c.state == "done", outbox.c.done_at < uow.now() - older_than)
        .limit(limit)
    )
    key = tuple_(outbox.c.organization_id, outbox.c.id)
    return uow.execute(outbox.delete().where(key.in_(old))).rowcount


def _has_one_before(apart: Sequence[str]) -> ColumnElement[bool]:
    """An unfinished event of the same entity that was written earlier. Asked for as the first of its line, which is one
    look into an index: NOT EXISTS becomes a join, which compares each event of a long line with each."""
    before = outbox.alias("before")
    first = select(func.min(before.c.seq)).where(
        before.c.organization_id == outbox.c.organization_id,
        before.c.entity_id == outbox.c.entity_id,
        before.c.entity_kind == outbox.c.entity_kind,
        before.c.state == literal_column("'pending'"),
        before.c.kind.not_in(apart),
    )
    return func.coalesce(first.correlate(outbox).scalar_subquery(), outbox.c.seq) < outbox.c.seq


def _settle(uow: UnitOfWork, claimed: ClaimedEvent, **values: object) -> bool:
    result = uow.execute(update(outbox).where(_held(claimed)).values(claimed_by=None, lease_until=None, **values))
    return result.rowcount == 1


def _settle_all(uow: UnitOfWork, claimed: Sequence[ClaimedEvent], **values: object) -> int:
    mine = tuple_(outbox.c.organization_id, outbox.c.id, outbox.c.epoch).in_(
        [(event.organization_id, event.outbox_id, event.epoch) for event in claimed]
    )
    free = {"claimed_by": None, "lease_until": None}
    return uow.execute(update(outbox).where(mine, outbox.c.state == "pending").values(**free, **values)).rowcount


def _held(claimed: ClaimedEvent) -> ColumnElement[bool]:
    """The epoch alone decides: a lease that ran out while nobody else claimed is still good."""
    return and_(
        outbox.c.organization_id == claimed.organization_id,
        outbox.c.id == claimed.outbox_id,
        outbox.c.epoch == claimed.epoch,
        outbox.c.state == "pending",
    )
