"""What became of each sending."""

from uuid import UUID

from sqlalchemy import select

from strata_core.access.rules import require
from strata_core.alerting.queries import plain_value
from strata_core.context import Context
from strata_core.listing.pages import newest_first
from strata_core.notifying.webhooks import webhook
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import WebhookId
from strata_datamodel.tables.notifying import notifications

_FIELDS = (
    "id", "alert_id", "event_kind", "state", "attempts", "due_at", "last_reason", "last_detail", "http_status",
    "sent_at", "created_at",
)  # fmt: skip


def notification_page(
    ctx: Context, uow: UnitOfWork, webhook_id: WebhookId, *, limit: int, before: UUID | None = None
) -> list[dict[str, object]]:
    """Of one webhook, newest first. Raises NotFoundError when there is no such webhook."""
    require(ctx, "webhooks:read")
    webhook(ctx, uow, webhook_id)
    wanted = select(notifications).where(
        notifications.c.organization_id == ctx.organization_id, notifications.c.webhook_id == webhook_id
    )
    rows = uow.execute(newest_first(wanted, notifications.c.id, before=before, limit=limit)).mappings()
    return [{name: plain_value(row[name]) for name in _FIELDS} for row in rows]
