"""Planning, claiming and recording notifications: planned → sending → sent, failed or unknown, never without a row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final, cast
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, and_, any_, func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.context import Context
from strata_core.instants import shown_instant
from strata_core.new_ids import new_id
from strata_core.notifying.rules import NotificationState, after_attempt
from strata_core.ports.notifier import Delivery
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import NotificationId, OrganizationId, OutboxId, WebhookId
from strata_datamodel.limits import NOTIFICATION_DEADLINE_SECONDS, NOTIFICATIONS_KEPT_DAYS, NOTIFICATIONS_PER_PASS
from strata_datamodel.tables.notifying import notifications, webhooks
from strata_datamodel.tables.outbox import outbox

_NONE_UNDER_WAY: Final[Mapping[OrganizationId, int]] = MappingProxyType({})


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
    uow: UnitOfWork,
    *,
    outbox_id: OutboxId | None = None,
    limit: int = NOTIFICATIONS_PER_PASS,
    per_organization: int = NOTIFICATIONS_PER_PASS,
    under_way: Mapping[OrganizationId, int] = _NONE_UNDER_WAY,
) -> list[ClaimedNotification]:
    """Takes what is due, in a system unit; with `outbox_id` only what that event planned. No organization gets more
    than `per_organization`, those `under_way` counted. A `sending` row past its deadline was left by a process that
    died: whether it arrived is unknown, so it is sent again under the same id."""
    held, claimed = Counter(under_way), list[ClaimedNotification]()
    while len(claimed) < limit:
        full = [organization_id for organization_id, count in held.items() if count >= per_organization]
        rows = _due(uow, outbox_id, full, limit - len(claimed))
        for organization_id, notification_id in rows:
            if held[organization_id] >= per_organization:
                continue
            item = _claim(uow, organization_id, notification_id)
            if item is not None:
                held[organization_id] += 1
                claimed.append(item)
        if not rows:
            break
    return claimed


def _due(
    uow: UnitOfWork, outbox_id: OutboxId | None, full: Sequence[OrganizationId], limit: int
) -> list[tuple[OrganizationId, NotificationId]]:
    now = uow.now()
    n = notifications.c
    # The states as the index has them, as text: behind parameters the planner cannot see that it covers them.
    unfinished = text("notifications.state IN ('planned', 'sending', 'unknown')")
    wanted = select(n.organization_id, n.id).where(unfinished, n.due_at <= now, n.organization_id.not_in(full))
    if outbox_id is not None:
        wanted = wanted.where(n.outbox_id == outbox_id)
    rows = uow.execute(wanted.order_by(n.due_at).limit(limit).with_for_update(skip_locked=True)).all()
    return [(OrganizationId(row.organization_id), NotificationId(row.id)) for row in rows]


def _claim(
    uow: UnitOfWork, organization_id: OrganizationId, notification_id: NotificationId
) -> ClaimedNotification | None:
    """None when there is nothing left to send: then the row says so."""
    here = and_(notifications.c.organization_id == organization_id, notifications.c.id == notification_id)
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
            webhooks.c.id.label("webhook_id"),
            webhooks.c.is_enabled,
            webhooks.c.url,
            webhooks.c.secret_sealed,
            outbox.c.payload,
            outbox.c.created_at,
        )
        .select_from(notifications.join(webhooks, same_webhook).join(outbox, same_event))
        .where(here)
    ).one_or_none()
    if row is None or not row.is_enabled:
        _give_up(uow, here, "event_gone" if row is None else "webhook_disabled")
        return None
    attempts = row.attempts + 1
    deadline_at = uow.now() + timedelta(seconds=NOTIFICATION_DEADLINE_SECONDS)
    uow.execute(
        update(notifications)
        .where(here)
        .values(
            state=NotificationState.SENDING,
            attempts=attempts,
            deadline_at=deadline_at,
            # Due again when the deadline is over: one range of one index finds what is new and what was left behind.
            due_at=deadline_at,
            updated_at=func.app.now(),
        )
    )
    return ClaimedNotification(
        organization_id=organization_id,
        notification_id=notification_id,
        webhook_id=WebhookId(row.webhook_id),
        url=row.url,
        secret_sealed=bytes(row.secret_sealed),
        event_kind=row.event_kind,
        body=_body(row.event_kind, shown_instant(row.created_at), cast("Mapping[str, object]", row.payload)),
        attempts=attempts,
    )


def _give_up(uow: UnitOfWork, here: ColumnElement[bool], reason: str) -> None:
    """Finished events are deleted after a week. A notification that outlived its event, as in a Strata that was off for
    longer, must not stand in the way of the others."""
    uow.execute(
        update(notifications)
        .where(here)
        .values(state=NotificationState.FAILED, deadline_at=None, last_reason=reason, updated_at=func.app.now())
    )


def _body(event_kind: str, occurred_at: str, payload: Mapping[str, object]) -> bytes:
    """The same bytes at every attempt: they are made of the event, which never changes."""
    return orjson.dumps(
        {"type": event_kind, "timestamp": occurred_at, "data": payload},
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


def purge_finished(uow: UnitOfWork, *, limit: int) -> int:
    """Deletes what ended long ago, in a system unit and bounded bites; returns how many. What is unfinished stays."""
    n = notifications.c
    finished = text("notifications.state IN ('sent', 'failed')")
    old = (
        select(n.organization_id, n.id)
        .where(finished, n.updated_at < uow.now() - timedelta(days=NOTIFICATIONS_KEPT_DAYS))
        .order_by(n.updated_at)
        .limit(limit)
    )
    return uow.execute(notifications.delete().where(tuple_(n.organization_id, n.id).in_(old))).rowcount
