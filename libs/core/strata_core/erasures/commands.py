"""Asking for something to be forgotten."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select

from strata_core.access.rules import folded_email, require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.erasures.queries import Erasure, erasure_of
from strata_core.erasures.rules import ErasureKind, Selector, check_selector, subject_digest
from strata_core.erasures.saga import ERASURE
from strata_core.members.queries import membership_of_user, owner_count
from strata_core.members.rules import keep_an_owner
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.starting import start_saga
from strata_datamodel.errors import NotFoundError
from strata_datamodel.limits import ERASURE_REASON_LENGTH
from strata_datamodel.tables.erasing import erasures
from strata_datamodel.tables.users import users

REQUESTED: Final = "erasure.requested"


def request_erasure(ctx: Context, uow: UnitOfWork, selector: Selector, *, reason: str) -> Erasure:
    """Of a member, by whatever address they have here. Raises NotFoundError for a user who is none, and ConflictError
    (code `last_owner`). Neither the audit log nor an event says what is to be forgotten: they are kept."""
    require(ctx, "erasures:write")
    selector = check_selector(_resolved(uow, selector))
    erasure_id = new_id(uow)
    saga_id = start_saga(ctx, uow, ERASURE, {"erasure_id": str(erasure_id)}, lock_key=str(erasure_id))
    uow.execute(
        insert(erasures),
        {
            "organization_id": uow.organization_id,
            "id": erasure_id,
            "kind": selector.kind.value,
            "selector": selector.document(),
            "reason": reason[:ERASURE_REASON_LENGTH],
            "requested_by": ctx.actor.label,
            "saga_id": saga_id,
            "created_at": uow.now(),
        },
    )
    about = {"kind": selector.kind.value, "reason": reason, "subject_sha256": subject_digest(erasure_id, selector)}
    record(ctx, uow, REQUESTED, "erasure", str(erasure_id), after=about)
    append(uow, Event(REQUESTED, 1, "erasure", erasure_id, {"kind": selector.kind.value}))
    return erasure_of(ctx, uow, UUID(str(erasure_id)))


def _resolved(uow: UnitOfWork, selector: Selector) -> Selector:
    """With the addresses of a member among the identifiers, and the member behind an address."""
    if selector.kind is not ErasureKind.PERSON:
        return selector
    if selector.user_id is None:
        emails = [folded_email(each) for each in selector.identifiers if "@" in each]
        named: ColumnElement[bool] = users.c.email.in_(emails)
    else:
        named = users.c.id == selector.user_id
    found = uow.execute(select(users.c.id, users.c.email).where(named)).all()
    if len(found) != 1:
        if selector.user_id is not None:
            raise NotFoundError("there is no such user in the organization")
        return selector
    row = found[0]
    membership = membership_of_user(uow, row.id)
    if membership is not None:
        keep_an_owner(membership.role, owner_count(uow))
    return replace(selector, user_id=row.id, identifiers=(*selector.identifiers, row.email))
