"""What operators do to organizations: never done by their members, whatever they may do inside."""

from typing import Final

from sqlalchemy import update

from strata_core.audit.commands import record
from strata_core.context import ActorKind, Context
from strata_core.organizations.commands import locked_organization
from strata_core.organizations.queries import Organization, organization_of
from strata_core.organizations.rules import ACTIVE, DELETING, PROVISIONING, SUSPENDED
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError, DeniedError, InvalidError, Problem
from strata_datamodel.limits import NAME_LENGTH
from strata_datamodel.tables.organizations import organizations

STATUS_CHANGED: Final = "organization.status_changed"
PLAN_CHANGED: Final = "organization.plan_changed"


def suspend_organization(ctx: Context, uow: UnitOfWork, *, reason: str) -> Organization:
    """People and programs are refused at once, agents within seconds. Nothing is lost; what was sent stays."""
    return _set_status(ctx, uow, SUSPENDED, reason)


def resume_organization(ctx: Context, uow: UnitOfWork, *, reason: str = "") -> Organization:
    return _set_status(ctx, uow, ACTIVE, reason)


def set_plan(ctx: Context, uow: UnitOfWork, plan: str) -> Organization:
    _require_operator(ctx)
    if not 1 <= len(plan) <= NAME_LENGTH or not plan.isprintable() or plan != plan.strip():
        raise InvalidError(
            "this is not a plan's name", code="bad_plan", problems=[Problem("/plan", "one or more words")]
        )
    before = locked_organization(uow)
    if before.plan == plan:
        return before
    _update(uow, plan=plan)
    record(ctx, uow, PLAN_CHANGED, "organization", str(before.id), before={"plan": before.plan}, after={"plan": plan})
    append(uow, Event(PLAN_CHANGED, 1, "organization", before.id, {"plan": plan}))
    return organization_of(uow, str(before.id))


def _set_status(ctx: Context, uow: UnitOfWork, status: str, reason: str) -> Organization:
    """Setting what is set already changes nothing."""
    _require_operator(ctx)
    before = locked_organization(uow)
    if before.status == status:
        return before
    if before.status == DELETING:
        raise ConflictError(
            f"{before.slug} is being deleted", code="organization_deleting", hint="a deletion is not stopped half-way"
        )
    if before.status == PROVISIONING:
        raise ConflictError(
            f"{before.slug} is being set up", code="organization_provisioning", hint="try again in a moment"
        )
    _update(uow, status=status)
    after = {"status": status, "reason": reason[:NAME_LENGTH]}
    record(ctx, uow, STATUS_CHANGED, "organization", str(before.id), before={"status": before.status}, after=after)
    append(uow, Event(STATUS_CHANGED, 1, "organization", before.id, {"status": status}))
    return organization_of(uow, str(before.id))


def _update(uow: UnitOfWork, **changes: object) -> None:
    uow.execute(
        update(organizations)
        .where(organizations.c.id == uow.organization_id)
        .values(**changes, version=organizations.c.version + 1, updated_at=uow.now())
    )


def _require_operator(ctx: Context) -> None:
    if ctx.actor.kind is not ActorKind.SYSTEM:
        raise DeniedError("only an operator of this installation does this", code="operators_only")
