"""Setting parked events going again."""

from strata_core.access.rules import require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.outbox.commands import resume
from strata_core.parked_events.queries import ParkedEvent, event_of
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import OutboxId


def retry_event(ctx: Context, uow: UnitOfWork, event_id: OutboxId) -> ParkedEvent:
    """Due at once, with all its attempts before it. Of two people who retry the same event one gets ConflictError (code
    `event_not_parked`)."""
    require(ctx, "dead_letters:write")
    before = event_of(ctx, uow, event_id)
    if not resume(uow, ctx.organization_id, event_id):
        raise ConflictError("the event is not parked, or not any more", code="event_not_parked")
    after = event_of(ctx, uow, event_id)
    record(
        ctx,
        uow,
        "event.retry",
        "event",
        str(event_id),
        before={"state": before.state, "attempts": before.attempts, "reason": before.reason},
        after={"state": after.state, "attempts": after.attempts, "kind": after.kind},
    )
    return after
