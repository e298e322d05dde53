"""Forgetting a person, a host or a label's value, in every store."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_core.erasures.commands import request_erasure
from strata_core.erasures.queries import Erasure, erasure_of, erasures_before
from strata_core.erasures.rules import ErasureKind, Selector
from strata_core.receipts.documents import SignedReceipt, shown
from strata_datamodel.ids import UserId
from strata_datamodel.limits import ERASURE_IDENTIFIERS, ERASURE_REASON_LENGTH, NAME_LENGTH, TAG_VALUE_BYTES

router = APIRouter(prefix="/api/v1/orgs/{org}/erasures", tags=["erasures"])
_LIST = "erasures_list"


class ErasureForm(Sent):
    """Of a host its name in `value`; of a label `key` and `value`; of a person `user_id`, `identifiers`, or both."""

    kind: Literal["person", "host", "label"]
    key: Text = Field("", max_length=NAME_LENGTH)
    value: Text = Field("", max_length=TAG_VALUE_BYTES)
    user_id: UUID | None = Field(None, description="A member, whose addresses are then identifiers too.")
    identifiers: list[Annotated[Text, Field(max_length=NAME_LENGTH)]] = Field(
        [],
        max_length=ERASURE_IDENTIFIERS,
        description="Texts by which the person is known. Log events and series that hold one of them are deleted.",
    )
    reason: Text = Field("", max_length=ERASURE_REASON_LENGTH, description="Kept, so without what is to be forgotten.")


class ReceiptOut(Shown):
    """`strata receipts verify` checks it: the signature is over `receipt` with sorted keys and without spaces."""

    receipt: dict[str, object]
    public_key: str
    signature: str


class ErasureOut(Shown):
    id: UUID
    kind: Literal["person", "host", "label"]
    reason: str
    requested_by: str
    state: Literal["requested", "done"]
    saga_id: UUID = Field(description="GET sagas/{saga_id} shows how far it is.")
    created_at: Instant
    done_at: Instant | None
    receipt: ReceiptOut | None


@router.get("", operation_id=_LIST, summary="Erasures, newest first")
def list_erasures(access: Annotated[Access, requires("erasures:read")], paged: Paged) -> Page[ErasureOut]:
    listing = access.listing(paged, _LIST)
    with access.unit() as uow:
        rows = erasures_before(access.ctx, uow, listing.after(UUID), listing.fetch)
    return listing.page(rows, _shown, lambda row: [row.id])


@router.post("", operation_id="erasures_create", summary="Erase", status_code=201, response_model=ErasureOut)
def post_erasure(access: Annotated[Access, requires("erasures:write")], body: ErasureForm, once: OnlyOnce) -> Response:
    """Begins at once and cannot be taken back. What arrives later is not held off: stop who sends first."""
    selector = Selector(
        ErasureKind(body.kind),
        key=body.key,
        value=body.value,
        user_id=None if body.user_id is None else UserId(body.user_id),
        identifiers=tuple(body.identifiers),
    )
    return once.answer(access, lambda uow: Made(_shown(request_erasure(access.ctx, uow, selector, reason=body.reason))))


@router.get("/{erasure_id}", operation_id="erasures_get", summary="An erasure, with its receipt once it is done")
def get_erasure(access: Annotated[Access, requires("erasures:read")], erasure_id: UUID) -> ErasureOut:
    with access.unit() as uow:
        return _shown(erasure_of(access.ctx, uow, erasure_id))


def _shown(erasure: Erasure) -> ErasureOut:
    fields = {name: getattr(erasure, name) for name in ErasureOut.model_fields if name != "receipt"}
    return ErasureOut(**fields, receipt=_receipt(erasure.receipt))


def _receipt(receipt: SignedReceipt | None) -> ReceiptOut | None:
    return None if receipt is None else ReceiptOut.model_validate(shown(receipt))
