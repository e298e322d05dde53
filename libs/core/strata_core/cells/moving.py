"""Asking for an organization to be moved into another cell."""

from strata_core.audit.commands import record
from strata_core.cells.commands import lock_organization
from strata_core.cells.queries import placement_of
from strata_core.cells.saga import MOVE
from strata_core.context import ActorKind, Context
from strata_core.organizations.rules import DELETING, PROVISIONING
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sagas.starting import start_saga
from strata_datamodel.errors import ConflictError, DeniedError
from strata_datamodel.ids import SagaId

_LOCK = "cell"


def request_move(ctx: Context, uow: UnitOfWork, cell: str) -> SagaId:
    """`cell` is one there is. Raises DeniedError for whoever is no operator; ConflictError for an organization that is
    there (code `already_there`), is moved already (`already_exists`), or is being set up or deleted."""
    if ctx.actor.kind is not ActorKind.SYSTEM:
        raise DeniedError("only an operator of this installation moves organizations", code="operators_only")
    status = lock_organization(uow)
    if status in {DELETING, PROVISIONING}:
        raise ConflictError(f"the organization is {status}", code=f"organization_{status}")
    placement = placement_of(uow)
    if placement.also is not None:
        raise ConflictError(f"it is on its way between {' and '.join(placement.written)}", code="already_exists")
    if placement.cell == cell:
        raise ConflictError(f"it is in {cell} already", code="already_there")
    after = {"from": placement.cell, "to": cell}
    record(ctx, uow, "organization.move_requested", "organization", str(uow.organization_id), after=after)
    return start_saga(ctx, uow, MOVE, after, lock_key=_LOCK)
