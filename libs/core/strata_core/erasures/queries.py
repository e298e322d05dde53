"""Looking erasures up, each with its receipt once it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.listing.pages import newest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.receipts.documents import SignedReceipt
from strata_datamodel.errors import NotFoundError
from strata_datamodel.tables.erasing import erasures, receipts


@dataclass(frozen=True, slots=True)
class Erasure:
    """`state` is requested or done; how far it is, its saga tells."""

    id: UUID
    kind: str
    reason: str
    requested_by: str
    state: str
    saga_id: UUID
    created_at: datetime
    done_at: datetime | None
    receipt: SignedReceipt | None


def erasure_of(ctx: Context, uow: UnitOfWork, erasure_id: UUID) -> Erasure:
    """Raises NotFoundError."""
    require(ctx, "erasures:read")
    row = uow.execute(_with_receipts().where(erasures.c.id == erasure_id)).one_or_none()
    if row is None:
        raise NotFoundError("there is no such erasure")
    return _erasure_from(row)


def erasures_before(ctx: Context, uow: UnitOfWork, before: UUID | None, limit: int) -> Sequence[Erasure]:
    """Newest first."""
    require(ctx, "erasures:read")
    wanted = _with_receipts().where(erasures.c.organization_id == ctx.organization_id)
    return [_erasure_from(row) for row in uow.execute(newest_first(wanted, erasures.c.id, before=before, limit=limit))]


def _with_receipts() -> Select[*tuple[object, ...]]:
    e, r = erasures.c, receipts.c
    columns = (e.id, e.kind, e.reason, e.requested_by, e.saga_id, e.created_at, e.done_at)
    kept = (r.content, r.public_key, r.signature)
    same = (r.organization_id == e.organization_id) & (r.id == e.receipt_id)
    return select(*columns, *kept).select_from(erasures.outerjoin(receipts, same))


def _erasure_from(row: Row[*tuple[object, ...]]) -> Erasure:
    receipt = None
    if row.content is not None:
        receipt = SignedReceipt(bytes(row.content), row.public_key, bytes(row.signature))
    return Erasure(
        id=row.id,
        kind=row.kind,
        reason=row.reason,
        requested_by=row.requested_by,
        state="requested" if row.done_at is None else "done",
        saga_id=row.saga_id,
        created_at=row.created_at,
        done_at=row.done_at,
        receipt=receipt,
    )
