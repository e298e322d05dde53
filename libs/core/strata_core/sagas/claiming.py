"""Taking sagas up, holding on to them, and letting workers find what became possible. Only workers call this."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, case, or_, select, text, tuple_, update

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.definitions import StepKind
from strata_core.sagas.rules import ReasonCode, Request, SagaRecord, SagaState, StepRecord, StepState
from strata_datamodel.ids import OrganizationId, SagaId
from strata_datamodel.limits import SAGAS_AT_ONCE_PER_ORGANIZATION
from strata_datamodel.tables.sagas import saga_steps, sagas

LEASE: Final = timedelta(seconds=10)
"""How long a saga waits after its runner died. A runner that lives renews three times as often."""
FIRST_ORGANIZATION: Final = OrganizationId(UUID(int=0))

_READ: Final = tuple(
    sagas.c[name]
    for name in (
        *("organization_id", "id", "kind", "definition_version", "input", "started_by", "state", "parked_from"),
        *("pivot", "is_cancelled", "request", "epoch", "claims", "failures", "stuck_since"),
        "deadline_at",
    )
)
# Organizations take turns: the walk goes from one that has something to claim to the next, from where the last claim
# left off, and looks at no more of them than there is room for. Each then offers its oldest, as many as it may run.
_CLAIM: Final = text("""
WITH RECURSIVE busy AS MATERIALIZED (
    SELECT organization_id, count(*) AS running FROM sagas WHERE lease_until > :now GROUP BY organization_id
), busiest AS MATERIALIZED (
    SELECT coalesce(array_agg(organization_id), '{}') AS ids FROM busy WHERE running >= :at_once
), walk AS (
    (SELECT s.organization_id, 1 AS place FROM sagas s
     WHERE s.due_at <= :now AND (s.lease_until IS NULL OR s.lease_until <= :now)
       AND s.organization_id > :after AND s.organization_id <> ALL ((SELECT ids FROM busiest)::uuid[])
     ORDER BY s.organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT s.organization_id FROM sagas s
            WHERE s.due_at <= :now AND (s.lease_until IS NULL OR s.lease_until <= :now)
              AND s.organization_id > w.organization_id AND s.organization_id <> ALL ((SELECT ids FROM busiest)::uuid[])
            ORDER BY s.organization_id LIMIT 1),
           w.place + 1
    FROM walk w WHERE w.organization_id IS NOT NULL AND w.place < :limit
), offered AS (
    SELECT w.organization_id, d.id, d.turn, w.place
    FROM walk w CROSS JOIN LATERAL (
        SELECT f.id, row_number() OVER (ORDER BY f.due_at, f.id) AS turn
        FROM (SELECT s.id, s.due_at FROM sagas s
              WHERE s.organization_id = w.organization_id AND s.due_at <= :now
                AND (s.lease_until IS NULL OR s.lease_until <= :now)
              ORDER BY s.due_at, s.id
              LIMIT :at_once - coalesce((SELECT running FROM busy b WHERE b.organization_id = w.organization_id), 0)
             ) f
    ) d
    ORDER BY d.turn, w.place LIMIT :limit
), chosen AS MATERIALIZED (
    SELECT s.organization_id, s.id FROM sagas s JOIN offered o ON o.organization_id = s.organization_id AND o.id = s.id
    WHERE s.due_at <= :now AND (s.lease_until IS NULL OR s.lease_until <= :now)
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE sagas SET epoch = epoch + 1, claims = claims + 1, lease_owner = :owner, lease_until = :until,
    state = CASE state WHEN 'pending' THEN 'running' ELSE state END
FROM chosen WHERE sagas.organization_id = chosen.organization_id AND sagas.id = chosen.id
RETURNING sagas.organization_id, sagas.id, sagas.kind, sagas.definition_version, sagas.input, sagas.started_by,
    sagas.state, sagas.parked_from, sagas.pivot, sagas.is_cancelled, sagas.request, sagas.epoch, sagas.claims,
    sagas.failures, sagas.stuck_since, sagas.deadline_at
""").columns(*_READ)


def claim_sagas(
    uow: UnitOfWork,
    owner: str,
    *,
    limit: int,
    after: OrganizationId = FIRST_ORGANIZATION,
    lease: timedelta = LEASE,
    at_once: int = SAGAS_AT_ONCE_PER_ORGANIZATION,
) -> list[SagaRecord]:
    """Up to `limit` sagas that are due and that nobody holds, of organizations beyond `after`, in a system unit; empty
    when there are none beyond, also when there are some before. No organization runs more than `at_once`, counted over
    all workers (two that claim at the same instant may together exceed it). Time is the database's. Commit before
    acting on them."""
    now = uow.now()
    rows = uow.execute(
        _CLAIM,
        {
            "now": now,
            "until": now + lease,
            "owner": owner,
            "after": after,
            "limit": limit,
            "at_once": at_once,
        },
    ).mappings()
    return _records(uow, list(rows))


def claim_saga(
    uow: UnitOfWork, owner: str, organization_id: OrganizationId, saga_id: SagaId, *, lease: timedelta = LEASE
) -> list[SagaRecord]:
    """This one, if it is due and nobody holds it; else as `claim_sagas`."""
    s, now = sagas.c, uow.now()
    taken = (
        update(sagas)
        .where(s.organization_id == organization_id, s.id == saga_id, s.due_at <= now)
        .where(or_(s.lease_until.is_(None), s.lease_until <= now))
        .values(
            epoch=s.epoch + 1,
            claims=s.claims + 1,
            lease_owner=owner,
            lease_until=now + lease,
            state=case((s.state == SagaState.PENDING.value, SagaState.RUNNING.value), else_=s.state),
        )
        .returning(*_READ)
    )
    return _records(uow, list(uow.execute(taken).mappings()))


def _records(uow: UnitOfWork, claimed: Sequence[Mapping[Any, Any]]) -> list[SagaRecord]:
    steps = _steps_of(uow, [(row["organization_id"], row["id"]) for row in claimed])
    return [record_from(row, steps[row["id"]], uow.now()) for row in claimed]


def renew_leases(
    uow: UnitOfWork, held: Iterable[tuple[OrganizationId, SagaId, int]], *, lease: timedelta = LEASE
) -> None:
    """Holds on for longer to those whose epoch still is the runner's; in a system unit. Those that a step's transaction
    has locked are passed over: nobody else can claim them meanwhile."""
    key = tuple_(sagas.c.organization_id, sagas.c.id, sagas.c.epoch)
    mine = (
        select(sagas.c.organization_id, sagas.c.id, sagas.c.epoch)
        .where(key.in_(list(held)), sagas.c.lease_until.is_not(None))
        .with_for_update(skip_locked=True)
        .cte("mine")
    )
    uow.execute(
        update(sagas)
        .where(key.in_(select(mine.c.organization_id, mine.c.id, mine.c.epoch)))
        .values(lease_until=uow.now() + lease)
    )


def recall_known(uow: UnitOfWork, known: Sequence[tuple[str, int]], *, limit: int = 100) -> int:
    """Sagas that were parked by a release that did not know them, and that this one knows: set going again."""
    wanted = (
        select(sagas.c.organization_id, sagas.c.id)
        .where(
            sagas.c.ended_at.is_(None),
            sagas.c.state == SagaState.PARKED.value,
            sagas.c.reason_code == ReasonCode.UNKNOWN_DEFINITION.value,
            sagas.c.request.is_(None),
            tuple_(sagas.c.kind, sagas.c.definition_version).in_(bindparam("known", expanding=True)),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    key = tuple_(sagas.c.organization_id, sagas.c.id)
    again = update(sagas).where(key.in_(wanted)).values(request=Request.RETRY.value, due_at=uow.now())
    return uow.execute(again, {"known": list(known)}).rowcount if known else 0


def purge_ended(uow: UnitOfWork, *, older_than: timedelta, limit: int) -> int:
    """Deletes sagas that ended long ago in bounded bites; returns how many."""
    key = tuple_(sagas.c.organization_id, sagas.c.id)
    old = select(sagas.c.organization_id, sagas.c.id).where(sagas.c.ended_at < uow.now() - older_than).limit(limit)
    return uow.execute(sagas.delete().where(key.in_(old))).rowcount


def _steps_of(uow: UnitOfWork, keys: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, list[StepRecord]]:
    found: dict[UUID, list[StepRecord]] = defaultdict(list)
    if not keys:
        return found
    s = saga_steps.c
    wanted = (
        select(s.saga_id, s.seq, s.name, s.kind, s.state, s.intent, s.output, s.attempts, s.undo_attempts)
        .where(tuple_(s.organization_id, s.saga_id).in_(keys))
        .order_by(s.saga_id, s.seq)
    )
    for row in uow.execute(wanted):
        step = StepRecord(
            seq=row.seq,
            name=row.name,
            kind=StepKind(row.kind),
            state=StepState(row.state),
            intent=row.intent,
            output=row.output,
            attempts=row.attempts,
            undo_attempts=row.undo_attempts,
        )
        found[row.saga_id].append(step)
    return found


def record_from(row: Mapping[Any, Any], steps: Sequence[StepRecord], seen_at: datetime) -> SagaRecord:
    return SagaRecord(
        id=SagaId(row["id"]),
        organization_id=OrganizationId(row["organization_id"]),
        kind=row["kind"],
        definition_version=row["definition_version"],
        input=row["input"],
        started_by=row["started_by"],
        state=SagaState(row["state"]),
        parked_from=None if row["parked_from"] is None else SagaState(row["parked_from"]),
        pivot=row["pivot"],
        is_cancelled=row["is_cancelled"],
        request=None if row["request"] is None else Request(row["request"]),
        epoch=row["epoch"],
        claims=row["claims"],
        failures=row["failures"],
        stuck_since=row["stuck_since"],
        deadline_at=row["deadline_at"],
        seen_at=seen_at,
        steps=tuple(steps),
    )
