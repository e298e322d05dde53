"""Looking receipts up."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select

from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.receipts.documents import SignedReceipt
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.erasing import receipts, tombstones


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    organization_id: OrganizationId
    id: UUID
    kind: str
    created_at: datetime
    receipt: SignedReceipt


def receipt_of(uow: UnitOfWork, receipt_id: UUID) -> KeptReceipt:
    """Raises NotFoundError."""
    row = uow.execute(select(receipts).where(receipts.c.id == receipt_id)).one_or_none()
    if row is None:
        raise NotFoundError("there is no such receipt")
    return _receipt_from(row)


def receipts_after(uow: UnitOfWork, after: UUID | None, limit: int) -> Sequence[KeptReceipt]:
    """In a system-wide unit: all there are, oldest first."""
    return _page(uow, after, limit)


def deletion_receipts(uow: UnitOfWork, slug_or_id: str, limit: int) -> Sequence[KeptReceipt]:
    """In a system-wide unit: of organizations that had this slug or have this id, newest first."""
    named = tombstones.c.slug == slug_or_id
    with suppress(ValueError):
        named |= tombstones.c.organization_id == UUID(slug_or_id)
    organizations = select(tombstones.c.organization_id).where(named)
    wanted = select(receipts).where(
        receipts.c.kind == "organization_deletion", receipts.c.organization_id.in_(organizations)
    )
    return [_receipt_from(row) for row in uow.execute(wanted.order_by(receipts.c.id.desc()).limit(limit))]


def _page(uow: UnitOfWork, after: UUID | None, limit: int, *where: ColumnElement[bool]) -> list[KeptReceipt]:
    wanted = oldest_first(select(receipts).where(*where), receipts.c.id, after=after, limit=limit)
    return [_receipt_from(row) for row in uow.execute(wanted)]


def _receipt_from(row: Row[tuple[object, ...]]) -> KeptReceipt:
    receipt = SignedReceipt(bytes(row.content), row.public_key, bytes(row.signature))
    return KeptReceipt(OrganizationId(row.organization_id), row.id, row.kind, row.created_at, receipt)
