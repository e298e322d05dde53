"""What each kind of event sets in motion. A handler runs inside the transaction that finishes the event: it may run
again after a crash, and then finds its own traces."""

from collections.abc import Callable, Mapping
from typing import Final

from strata_core.alerting.events import ALERT_KINDS, point_due
from strata_core.context import Actor, ActorKind, Context
from strata_core.notifying.commands import plan_notifications
from strata_core.outbox.commands import append
from strata_core.outbox.events import ClaimedEvent
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.events import projection_due
from strata_core.search.projections import ALERT

RELAY: Final = Actor(ActorKind.SYSTEM, None, "relay")
Handler = Callable[[Context, UnitOfWork, ClaimedEvent], None]


def context_of(claimed: ClaimedEvent) -> Context:
    return Context(claimed.organization_id, RELAY, frozenset(), f"event-{claimed.outbox_id}")


def follow_alert(ctx: Context, uow: UnitOfWork, claimed: ClaimedEvent) -> None:
    """Whom to tell, and that it is to be found, and measured."""
    plan_notifications(ctx, uow, claimed.outbox_id, claimed.event.kind, claimed.event.entity_id)
    version = claimed.event.payload.get("version")
    append(uow, projection_due(ALERT, claimed.event.entity_id, version if isinstance(version, int) else 1))
    append(uow, point_due(claimed.event))


HANDLERS: Final[Mapping[str, Handler]] = dict.fromkeys(ALERT_KINDS, follow_alert)
"""A kind that is missing here needs nothing done: it is finished as it is."""
