"""Around a request that changes something: `begin` before, `finish` after, best in the transaction of the change."""

from sqlalchemy import ColumnElement, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.context import Context
from strata_core.idempotency.rules import IN_FLIGHT_FOR, KEPT_FOR, StoredReply, check_key, in_flight, reply_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.outbox import idempotency


def kept_reply(ctx: Context, uow: UnitOfWork, route: str, key: str, fingerprint: bytes) -> StoredReply | None:
    """As `begin`, but for those who cannot begin yet, and keep others out by a lock of their own."""
    row_key = (ctx.organization_id, principal_of(ctx), route, check_key(key))
    return _living_reply(uow, row_key, fingerprint)


def begin(ctx: Context, uow: UnitOfWork, route: str, key: str, fingerprint: bytes) -> StoredReply | None:
    """None: go on, then `finish`. A reply: answer with it and do nothing else. Raises what `reply_of` raises.

    Of requests at the same time one goes on; the others hear at once that it is under way, rather than hold a
    connection while they wait. When the unit rolls back, the key was never used.
    """
    row_key = (ctx.organization_id, principal_of(ctx), route, check_key(key))
    held = func.pg_try_advisory_xact_lock(func.hashtextextended("/".join(map(str, row_key)), 0))
    if not uow.execute(select(held)).scalar_one():
        raise in_flight()
    kept = _living_reply(uow, row_key, fingerprint)
    if kept is not None:
        return kept
    values = dict(zip(("organization_id", "principal", "route", "key"), row_key, strict=True))
    started = {
        "fingerprint": fingerprint,
        "status": None,
        "response": None,
        "created_at": uow.now(),
        "expires_at": uow.now() + IN_FLIGHT_FOR,
    }
    statement = insert(idempotency).values(**values, **started)
    uow.execute(statement.on_conflict_do_update(index_elements=list(idempotency.primary_key), set_=started))
    return None


def finish(ctx: Context, uow: UnitOfWork, route: str, key: str, reply: StoredReply) -> None:
    """Keep the answer for a day. Not for failures that are worth another try: `forget` those."""
    uow.execute(
        update(idempotency)
        .where(_is((ctx.organization_id, principal_of(ctx), route, key)))
        .values(status=reply.status, response=reply.body, headers=reply.headers, expires_at=uow.now() + KEPT_FOR)
    )


def forget(ctx: Context, uow: UnitOfWork, route: str, key: str) -> None:
    uow.execute(delete(idempotency).where(_is((ctx.organization_id, principal_of(ctx), route, key))))


def purge_expired(uow: UnitOfWork, *, limit: int) -> int:
    """Delete what has expired in bounded bites; returns how many. For a system-wide unit."""
    key = tuple_(*idempotency.primary_key)
    expired = select(*idempotency.primary_key).where(idempotency.c.expires_at <= uow.now()).limit(limit)
    return uow.execute(delete(idempotency).where(key.in_(expired))).rowcount


def principal_of(ctx: Context) -> str:
    """Keys of one caller mean nothing for another."""
    return f"{ctx.actor.kind.value}:{ctx.actor.actor_id or ctx.actor.label}"


def _living_reply(uow: UnitOfWork, row_key: tuple[object, ...], fingerprint: bytes) -> StoredReply | None:
    row = uow.execute(select(idempotency).where(_is(row_key))).mappings().one_or_none()
    if row is None or row["expires_at"] <= uow.now():
        return None
    stored = None if row["status"] is None else StoredReply(row["status"], row["response"], row["headers"])
    return reply_of(stored, row["fingerprint"], fingerprint)


def _is(row_key: tuple[object, ...]) -> ColumnElement[bool]:
    columns = (idempotency.c.organization_id, idempotency.c.principal, idempotency.c.route, idempotency.c.key)
    return and_(*(column == value for column, value in zip(columns, row_key, strict=True)))
