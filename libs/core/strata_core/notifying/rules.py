"""What one attempt means for the notification: pure, each with its reason."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strata_core.ports.notifier import Delivery, DeliveryStatus
from strata_datamodel.limits import NOTIFICATION_ATTEMPTS

# Close together while a page may still be in time, then apart: about three hours in all.
BACKOFF_S: Final = (5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 3600)


class NotificationState(StrEnum):
    PLANNED = "planned"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NextStep:
    """`due_in_s` is None when nothing more is done."""

    state: NotificationState
    due_in_s: int | None


def after_attempt(delivery: Delivery, attempts: int) -> NextStep:
    """At least once: what may have arrived is sent again under the same id, by which receivers drop doubles."""
    if delivery.status is DeliveryStatus.SENT:
        return NextStep(NotificationState.SENT, None)
    if delivery.status is DeliveryStatus.FAILED or attempts >= NOTIFICATION_ATTEMPTS:
        return NextStep(NotificationState.FAILED, None)
    pause = BACKOFF_S[min(attempts - 1, len(BACKOFF_S) - 1)]
    if delivery.retry_after_s is not None:
        pause = max(pause, min(delivery.retry_after_s, BACKOFF_S[-1]))
    is_unknown = delivery.status is DeliveryStatus.UNKNOWN
    return NextStep(NotificationState.UNKNOWN if is_unknown else NotificationState.PLANNED, pause)
