"""Planning, claiming and recording notifications: planned → sending → sent, failed or unknown, never without a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast
from uuid import UUID

import orjson
from sqlalchemy import and_, any_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.notifying.rules import NotificationState, after_attempt
from strata_core.ports.notifier import Delivery
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import NotificationId, OrganizationId, OutboxId, WebhookId
from strata_datamodel.limits import NOTIFICATION_DEADLINE_SECONDS, NOTIFICATIONS_PER_PASS
from strata_datamodel.tables.notifying import notifications, webhooks
from strata_datamodel.tables.outbox import outbox


@dataclass(frozen=True, slots=True)
class ClaimedNotification:
    """One attempt that this process owns until its deadline."""

    organization_id: OrganizationId
    notification_id: NotificationId
    webhook_id: WebhookId
    url: str
    secret_sealed: bytes = field(repr=False)
    event_kind: str
    body: bytes
    attempts: int


def plan_notifications(
    ctx: Context, uow: UnitOfWork, outbox_id: OutboxId, event_kind: str, alert_id: UUID | None
) -> int:
    """A row for each webhook that wants this event; a second call for the same event adds none."""
    wanting = select(webhooks.c.id).where(
        webhooks.c.organization_id == ctx.organization_id,
        webhooks.c.is_enabled,
        literal(event_kind) == any_(webhooks.c.event_kinds),
    )
    planned = [
        {
            "organization_id": ctx.organization_id,
            "id": new_id(uow),
            "outbox_id": outbox_id,
            "alert_id": alert_id,
            "webhook_id": webhook_id,
            "event_kind": event_kind,
        }
        for webhook_id in uow.execute(wanting).scalars()
    ]
    if planned:
        uow.execute(insert(notifications).values(planned).on_conflict_do_nothing())
    return len(planned)


def claim_notifications(
    uow: UnitOfWork, *, outbox_id: OutboxId | None = None, limit: int = NOTIFICATIONS_PER_PASS
) -> list[ClaimedNotification]:
    """Takes what is due, in a system unit; with `outbox_id` only what that event planned. A `sending` row past its
    deadline was left by a process that died: whether it arrived is unknown, so it is sent again under the same id."""
    now = uow.now()
    n = notifications.c
    due = or_(
        and_(n.state.in_((NotificationState.PLANNED, NotificationState.UNKNOWN)), n.due_at <= now),
        and_(n.state == NotificationState.SENDING, n.deadline_at <= now),
    )
    wanted = select(n.organization_id, n.id).where(due)
    if outbox_id is not None:
        wanted = wanted.where(n.outbox_id == outbox_id)
    taken = uow.execute(wanted.order_by(n.due_at).limit(limit).with_for_update(skip_locked=True)).all()
    return [_claim(uow, row.organization_id, row.id) for row in taken]


def _claim(uow: UnitOfWork, organization_id: UUID, notification_id: UUID) -> ClaimedNotification:
    here = and_(notifications.c.organization_id == organization_id, notifications.c.id == notification_id)
    uow.execute(
        update(notifications)
        .where(here)
        .values(
            state=NotificationState.SENDING,
            attempts=notifications.c.attempts + 1,
            deadline_at=uow.now() + timedelta(seconds=NOTIFICATION_DEADLINE_SECONDS),
            updated_at=func.app.now(),
        )
    )
    same_webhook = and_(
        webhooks.c.organization_id == notifications.c.organization_id, webhooks.c.id == notifications.c.webhook_id
    )
    same_event = and_(
        outbox.c.organization_id == notifications.c.organization_id, outbox.c.id == notifications.c.outbox_id
    )
    row = uow.execute(
        select(
            notifications.c.attempts,
            notifications.c.event_kind,
            notifications.c.outbox_id,
            webhooks.c.id.label("webhook_id"),
            webhooks.c.url,
            webhooks.c.secret_sealed,
            outbox.c.payload,
            outbox.c.created_at,
        )
        .select_from(notifications.join(webhooks, same_webhook).join(outbox, same_event))
        .where(here)
    ).one()
    return ClaimedNotification(
        organization_id=OrganizationId(organization_id),
        notification_id=NotificationId(notification_id),
        webhook_id=WebhookId(row.webhook_id),
        url=row.url,
        secret_sealed=bytes(row.secret_sealed),
        event_kind=row.event_kind,
        body=_body(row.event_kind, row.created_at.isoformat(), cast("Mapping[str, object]", row.payload)),
        attempts=row.attempts,
    )


def _body(event_kind: str, occurred_at: str, payload: Mapping[str, object]) -> bytes:
    """The same bytes at every attempt: they are made of the event, which never changes."""
    return orjson.dumps(
        {"type": event_kind, "timestamp": occurred_at.replace("+00:00", "Z"), "data": payload},
        option=orjson.OPT_SORT_KEYS,
    )


def record_delivery(uow: UnitOfWork, claimed: ClaimedNotification, delivery: Delivery) -> NotificationState:
    """Fenced by the attempt number: a process that was overtaken writes nothing."""
    step = after_attempt(delivery, claimed.attempts)
    uow.execute(
        update(notifications)
        .where(
            notifications.c.organization_id == claimed.organization_id,
            notifications.c.id == claimed.notification_id,
            notifications.c.attempts == claimed.attempts,
            notifications.c.state == NotificationState.SENDING,
        )
        .values(
            state=step.state,
            due_at=uow.now() + timedelta(seconds=step.due_in_s or 0),
            deadline_at=None,
            last_reason=delivery.reason,
            last_detail=delivery.detail[:500] or None,
            http_status=delivery.http_status,
            sent_at=func.app.now() if step.state is NotificationState.SENT else None,
            updated_at=func.app.now(),
        )
    )
    return step.state
