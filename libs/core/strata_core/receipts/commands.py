"""Keeping receipts. They are never changed, and outlive their organization."""

from uuid import UUID

from sqlalchemy import insert

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.receipts.documents import SignedReceipt
from strata_datamodel.tables.erasing import receipts


def keep_receipt(uow: UnitOfWork, receipt_id: UUID, kind: str, receipt: SignedReceipt) -> None:
    uow.execute(
        insert(receipts),
        {
            "organization_id": uow.organization_id,
            "id": receipt_id,
            "kind": kind,
            "content": receipt.content,
            "public_key": receipt.public_key,
            "signature": receipt.signature,
            "created_at": uow.now(),
        },
    )
