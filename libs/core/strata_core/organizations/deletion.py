"""The saga that deletes an organization, for good: what it holds in every store, and in the end its rows.

From its tombstone on there is no way back. Until then, in a grace period, it can be cancelled.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update

from strata_core.audit.commands import record
from strata_core.cells.commands import lock_organization
from strata_core.cells.queries import is_moving
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.organizations import belongings, holdings, tombstones
from strata_core.organizations.queries import organization_of
from strata_core.organizations.rules import DELETING
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.mailer import Mail
from strata_core.ports.notifier import DeliveryStatus
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.receipts.commands import keep_receipt
from strata_core.receipts.documents import FORM, SignedReceipt, canonical, instant, printed, signed
from strata_core.rollups import awaiting
from strata_core.sagas.definitions import (
    Json,
    LocalStep,
    NotYetError,
    PutStep,
    Saga,
    SagaDefinition,
    Unfinished,
    nothing_to_undo,
)
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.tables.access import api_keys
from strata_datamodel.tables.audit import audit_heads
from strata_datamodel.tables.identity import identity_providers
from strata_datamodel.tables.organizations import memberships, organizations

DELETED: Final = "organization.deleting"
RECEIPT_KIND: Final = "organization_deletion"
SETTLING: Final = timedelta(seconds=7)
"""Longer than any process remembers whom it let in, and than ingest needs to hear of a tombstone."""
_LONG: Final = timedelta(minutes=30)
_AGAIN: Final = timedelta(seconds=5)
_RETENTION: Final = (
    ("tombstone", "keeps late telemetry out and the id from ever being used again"),
    ("receipt", "proves the deletion"),
    ("saga", "what was done, step by step"),
    ("accounts of people", "they are theirs, not the organization's"),
)


def wait_for_grace(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    until = datetime.fromisoformat(saga.input["not_before"])
    if uow.now() < until:
        raise NotYetError("in its grace period", until - uow.now())
    lock_organization(uow)
    if is_moving(uow):
        raise NotYetError("waits for its metrics to be in another cell", _AGAIN)


def put_up_tombstone(ctx: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """People and programs are refused from here on, within seconds in every process."""
    organization = organization_of(uow, str(uow.organization_id))
    uow.execute(
        update(organizations)
        .where(organizations.c.id == uow.organization_id)
        .values(status=DELETING, version=organizations.c.version + 1, updated_at=uow.now())
    )
    tombstones.put_up(uow, organization.slug, saga.id)
    after = {"status": DELETING, "requested_by": saga.input["requested_by"]}
    record(ctx, uow, DELETED, "organization", str(organization.id), before={"status": organization.status}, after=after)
    append(uow, Event(DELETED, 1, "organization", organization.id, {"slug": organization.slug}))
    return {"slug": organization.slug, "name": organization.name, "stood_at": instant(uow.now())}


def wait_for_others(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    """For what was under way when the tombstone was put up."""
    stone = tombstones.tombstone(uow)
    if stone is not None and uow.now() < stone.stood_at + SETTLING:
        raise NotYetError("lets requests under way finish", stone.stood_at + SETTLING - uow.now())


def count_rows(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    head = uow.execute(select(audit_heads).where(audit_heads.c.organization_id == uow.organization_id)).one_or_none()
    chain = None if head is None else {"rows": head.seq, "head": bytes(head.hash).hex()}
    return {"rows": belongings.count_rows(uow), "audit_chain": chain}


def lock_out(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    """Keys, what sessions are good for here, and the provider that vouches for new ones."""
    for table in (api_keys, memberships, identity_providers):
        uow.execute(delete(table).where(table.c.organization_id == uow.organization_id))


def name_organization(_: Context, uow: UnitOfWork, __: Saga) -> Json:
    return holdings.intent_of(uow.organization_id)


def delete_rows(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """Each bite is a transaction of its own."""
    return Unfinished("deletes rows, a bite at a time") if belongings.delete_bite(uow, saga.id) else None


def count_rows_left(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    """Zero, or what came late is deleted as well."""
    left = belongings.count_rows(uow)
    if left:
        if belongings.delete_bite(uow, saga.id):
            return Unfinished("deletes rows that came late")
        left = belongings.count_rows(uow)
    if left:
        raise StoreUnavailableError("postgres", f"rows keep arriving: {', '.join(sorted(left))}")
    return {"rows": left}


def write_receipt(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    done, stone = saga.outputs, saga.outputs["tombstone"]
    before = {**done["count-stores"], **done["empty-cache"], "rows": done["count-rows"]["rows"]}
    receipt_id = str(new_id(uow))
    document = {
        "receipt_id": receipt_id,
        "kind": RECEIPT_KIND,
        "organization": {"id": str(uow.organization_id), "slug": stone["slug"], "name": stone["name"]},
        "requested_by": saga.input["requested_by"],
        "requested_at": saga.input["requested_at"],
        "tombstone_at": stone["stood_at"],
        "completed_at": instant(uow.now()),
        "saga_id": str(saga.id),
        "before": before,
        "after": {**done["count-residue"], **done["count-rows-left"]},
        "audit_chain": done["count-rows"]["audit_chain"],
        "kept": [{"what": what, "why": why} for what, why in _RETENTION],
    }
    return {"receipt_id": receipt_id, "content": canonical(document).decode("ascii")}


def sign_receipt(tools: SagaTools, intent: Json) -> Json:
    made = signed(intent["content"].encode("ascii"), tools.signer)
    return {**intent, "public_key": made.public_key, "signature": made.signature.hex()}


def signed_receipt(output: Json) -> SignedReceipt:
    return SignedReceipt(output["content"].encode("ascii"), output["public_key"], bytes.fromhex(output["signature"]))


def keep(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    output = saga.outputs["sign-receipt"]
    keep_receipt(uow, UUID(output["receipt_id"]), RECEIPT_KIND, signed_receipt(output))
    tombstones.note_deleted(uow)


def write_mail(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    return {
        "mail_id": saga.effect_key("send-receipt").replace(":", "."),
        "to": saga.input["mail_to"],
        "slug": saga.outputs["tombstone"]["slug"],
        "receipt": printed(signed_receipt(saga.outputs["sign-receipt"])),
        "written_at": uow.now().isoformat(),
    }


def send_receipt(tools: SagaTools, intent: Json) -> Json:
    """A mail that cannot arrive holds nothing up: an operator has the receipt too."""
    if intent["to"] is None:
        return {"sent": False, "reason": "nobody to send it to"}
    delivery = tools.mailer.send(
        Mail(
            mail_id=intent["mail_id"],
            to=intent["to"],
            subject=f"{intent['slug']} was deleted",
            text=_MAIL.format(slug=intent["slug"], form=FORM, receipt=intent["receipt"]),
            written_at=datetime.fromisoformat(intent["written_at"]),
        )
    )
    if delivery.status in {DeliveryStatus.RETRY, DeliveryStatus.UNKNOWN}:
        raise StoreUnavailableError("mail", f"the receipt was not taken: {delivery.reason}")
    return {"sent": delivery.status is DeliveryStatus.SENT, "reason": delivery.reason}


_MAIL: Final = (
    "The organization {slug} and all that Strata held of it were deleted, as you asked.\n\n"
    "What follows is the signed receipt ({form}). Keep it: `strata receipts verify` checks it.\n\n{receipt}"
)

_STEPS: Final = (
    LocalStep("grace", run=wait_for_grace, undo=nothing_to_undo),
    LocalStep("tombstone", run=put_up_tombstone),
    LocalStep("settle", run=wait_for_others),
    LocalStep("count-rows", run=count_rows, timeout=_LONG),
    PutStep("count-stores", intend=name_organization, effect=holdings.count_holdings, timeout=_LONG),
    LocalStep("lock-out", run=lock_out),
    PutStep("delete-logs", intend=name_organization, effect=holdings.delete_logs, timeout=_LONG),
    PutStep("delete-metrics", intend=name_organization, effect=holdings.delete_metrics, timeout=_LONG),
    PutStep("delete-search", intend=name_organization, effect=holdings.delete_search, timeout=_LONG),
    PutStep("empty-cache", intend=name_organization, effect=holdings.empty_cache, timeout=_LONG),
    PutStep("empty-archive", intend=name_organization, effect=holdings.empty_archive, timeout=_LONG),
    LocalStep("delete-rows", run=delete_rows, timeout=_LONG),
)
_WINDOW_STEPS: Final = (
    LocalStep(awaiting.NOTE, run=awaiting.note_roll_ups),
    LocalStep(awaiting.WAIT, run=awaiting.wait_for_roll_ups),
    PutStep("delete-windows", intend=name_organization, effect=holdings.delete_metrics, timeout=_LONG),
)
_LAST_STEPS: Final = (
    PutStep("count-residue", intend=name_organization, effect=holdings.count_residue, timeout=_LONG),
    LocalStep("count-rows-left", run=count_rows_left, timeout=_LONG),
    PutStep("sign-receipt", intend=write_receipt, effect=sign_receipt),
    LocalStep("keep-receipt", run=keep),
    PutStep("send-receipt", intend=write_mail, effect=send_receipt, timeout=timedelta(minutes=5)),
)


def _definition(version: int, steps: tuple[LocalStep | PutStep, ...]) -> SagaDefinition:
    return SagaDefinition("organization_deletion", version, steps, pivot="tombstone", deadline=timedelta(days=60))


DELETION_1: Final = _definition(1, (*_STEPS, *_LAST_STEPS))
"""For those that were begun before windows were waited for."""
DELETION: Final = _definition(2, (*_STEPS, *_WINDOW_STEPS, *_LAST_STEPS))
