"""Asking for the end of an organization."""

from datetime import timedelta
from typing import Final

from sqlalchemy import select

from strata_core.access.rules import require
from strata_core.audit.commands import record
from strata_core.context import ActorKind, Context
from strata_core.organizations.commands import locked_organization
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.rules import DELETING, PROVISIONING
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.receipts.documents import instant
from strata_core.sagas.starting import start_saga
from strata_datamodel.errors import ConflictError, DeniedError, InvalidError, Problem
from strata_datamodel.ids import SagaId
from strata_datamodel.limits import DELETION_GRACE_HOURS_MAX
from strata_datamodel.tables.sagas import sagas
from strata_datamodel.tables.users import users

REQUESTED: Final = "organization.deletion_requested"
_LOCK: Final = "organization"


def request_deletion(ctx: Context, uow: UnitOfWork, *, confirm: str, grace: timedelta) -> SagaId:
    """`confirm` is the organization's slug, typed again. Within `grace` everything goes on, and the saga can be
    cancelled. Asked for again, it is the saga there is."""
    require(ctx, "organization:delete")
    if ctx.actor.kind is ActorKind.API_KEY:
        raise DeniedError(
            "a key deletes no organization", code="person_required", hint="its owner does, signed in as a person"
        )
    if not timedelta(0) <= grace <= timedelta(hours=DELETION_GRACE_HOURS_MAX):
        raise InvalidError(
            "this grace period is not possible",
            code="bad_grace",
            problems=[Problem("query/grace_hours", f"0 to {DELETION_GRACE_HOURS_MAX} hours")],
        )
    organization = locked_organization(uow)
    if confirm != organization.slug:
        raise InvalidError(
            "the slug does not confirm the deletion",
            code="not_confirmed",
            problems=[Problem("query/confirm", "the slug of the organization that is to be deleted")],
        )
    under_way = _living_saga(uow)
    if under_way is not None:
        return under_way
    if organization.status in {DELETING, PROVISIONING}:
        raise ConflictError(f"{organization.slug} is {organization.status}", code=f"organization_{organization.status}")
    given = {
        "requested_by": ctx.actor.label,
        "requested_at": instant(uow.now()),
        "not_before": (uow.now() + grace).isoformat(),
        "mail_to": _address(ctx, uow),
    }
    after = {"not_before": given["not_before"]}
    record(ctx, uow, REQUESTED, "organization", str(organization.id), after=after)
    return start_saga(ctx, uow, DELETION, given, lock_key=_LOCK)


def _address(ctx: Context, uow: UnitOfWork) -> str | None:
    """Of the person who asks. Their label may say more: who acts for them, say."""
    if ctx.actor.kind is not ActorKind.USER:
        return None
    return uow.execute(select(users.c.email).where(users.c.id == ctx.actor.actor_id)).scalar_one_or_none()


def _living_saga(uow: UnitOfWork) -> SagaId | None:
    """Nobody else looks at this moment: the organization's row is locked."""
    here = (sagas.c.organization_id == uow.organization_id, sagas.c.kind == DELETION.kind, sagas.c.ended_at.is_(None))
    found = uow.execute(select(sagas.c.id).where(*here)).scalar_one_or_none()
    return None if found is None else SagaId(found)
