"""Sends notifications: claims the row, opens the secret, delivers outside any transaction, records how it went."""

from concurrent.futures import ThreadPoolExecutor

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.notifying.commands import ClaimedNotification, claim_notifications, record_delivery
from strata_core.notifying.webhooks import secret_place
from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, Notifier, WebhookTarget
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import OutboxId
from strata_datamodel.limits import NOTIFICATIONS_PER_PASS

log = structlog.get_logger(__name__)


class Sender:
    def __init__(
        self, units: SystemUnitsOfWork, notifier: Notifier, box: SecretBox, registry: CollectorRegistry
    ) -> None:
        self._units = units
        self._notifier = notifier
        self._box = box
        self._pool = ThreadPoolExecutor(NOTIFICATIONS_PER_PASS, thread_name_prefix="delivery")
        self._deliveries = Counter(
            "strata_notification_attempts", "Attempts to deliver, by what came of them.", ["status", "reason"],
            registry=registry,
        )  # fmt: skip

    def step(self) -> int:
        """Sends what is due, of every organization."""
        return self._send(None)

    def send_event(self, outbox_id: OutboxId) -> int:
        """Sends what one event planned: the way of a page that nothing holds up."""
        return self._send(outbox_id)

    def _send(self, outbox_id: OutboxId | None) -> int:
        with self._units.system() as uow:
            claimed = claim_notifications(uow, outbox_id=outbox_id)
        # Side by side, so that one slow receiver does not make the others late or outlive their deadlines.
        for attempt in [self._pool.submit(self._attempt, item) for item in claimed]:
            attempt.result()
        return len(claimed)

    def _attempt(self, item: ClaimedNotification) -> None:
        delivery = self._deliver(item)
        with self._units.organization(item.organization_id) as uow:
            state = record_delivery(uow, item, delivery)
        self._deliveries.labels(delivery.status, delivery.reason).inc()
        log.info(
            "notification_attempted",
            organization_id=str(item.organization_id),
            notification=str(item.notification_id),
            attempt=item.attempts,
            state=state,
            reason=delivery.reason,
        )

    def close(self) -> None:
        """Waits for deliveries under way."""
        self._pool.shutdown()

    def _deliver(self, item: ClaimedNotification) -> Delivery:
        try:
            secret = self._box.open(secret_place(item.organization_id, item.webhook_id), item.secret_sealed)
        except DeniedError as error:
            return Delivery(DeliveryStatus.FAILED, "secret_unreadable", error.detail)
        message = Message(str(item.notification_id), item.event_kind, item.body)
        return self._notifier.deliver(WebhookTarget(item.url, secret), message)
