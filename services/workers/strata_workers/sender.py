"""Sends notifications: claims the row, opens the secret, delivers outside any transaction, records how it went."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Figure

from strata_core.notifying.commands import ClaimedNotification, claim_notifications, record_delivery
from strata_core.notifying.webhooks import secret_place
from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, Notifier, WebhookTarget
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import DeniedError, UnavailableError
from strata_datamodel.ids import OrganizationId, OutboxId
from strata_datamodel.limits import NOTIFICATIONS_PER_PASS

log = structlog.get_logger(__name__)
PER_ORGANIZATION: Final = 4
"""Of the deliveries at once: receivers that never answer must not take the places of everybody else's."""
_ROOM_WAIT_S: Final = 1.0


class Sender:
    """Starts deliveries and waits for none: a receiver that takes its time makes nobody else's page late. No more is
    claimed than can be sent at once, so that what is claimed does not outlive its deadline in a queue."""

    def __init__(
        self, units: SystemUnitsOfWork, notifier: Notifier, box: SecretBox, registry: CollectorRegistry
    ) -> None:
        self._units = units
        self._notifier = notifier
        self._box = box
        self._pool = ThreadPoolExecutor(NOTIFICATIONS_PER_PASS, thread_name_prefix="delivery")
        self._claiming = threading.Lock()
        self._ended = threading.Condition()
        self._under_way: Counter[OrganizationId] = Counter()
        self._deliveries = Figure(
            "strata_notification_attempts", "Attempts to deliver, by what came of them.", ["status", "reason"],
            registry=registry,
        )  # fmt: skip

    def step(self) -> int:
        """Starts what is due, of every organization; returns how many. With all places taken it waits for one."""
        with self._ended:
            self._ended.wait_for(lambda: self._room() > 0, _ROOM_WAIT_S)
        return self._start(None)

    def send_event(self, outbox_id: OutboxId) -> int:
        """Starts what one event planned: the way of a page that nothing holds up."""
        return self._start(outbox_id)

    def close(self) -> None:
        """Waits for deliveries under way."""
        self._pool.shutdown()

    def _room(self) -> int:
        return NOTIFICATIONS_PER_PASS - self._under_way.total()

    def _start(self, outbox_id: OutboxId | None) -> int:
        with self._claiming:
            with self._ended:
                under_way, room = Counter(self._under_way), self._room()
            if room <= 0:
                return 0
            with self._units.system() as uow:
                claimed = claim_notifications(
                    uow, outbox_id=outbox_id, limit=room, per_organization=PER_ORGANIZATION, under_way=under_way
                )
            with self._ended:
                self._under_way.update(item.organization_id for item in claimed)
        for item in claimed:
            self._pool.submit(self._attempt, item)
        return len(claimed)

    def _attempt(self, item: ClaimedNotification) -> None:
        try:
            self._record(item, self._deliver(item))
        except UnavailableError as error:
            # It stays `sending`, and is taken up again after its deadline.
            log.warning("notification_put_off", notification=str(item.notification_id), reason=error.detail)
        except Exception:
            # The same; nobody waits for this thread, who could tell.
            log.exception("notification_not_recorded", notification=str(item.notification_id))
        finally:
            with self._ended:
                self._under_way[item.organization_id] -= 1
                self._under_way += Counter()  # without those at zero: organizations come and go
                self._ended.notify_all()

    def _record(self, item: ClaimedNotification, delivery: Delivery) -> None:
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

    def _deliver(self, item: ClaimedNotification) -> Delivery:
        try:
            secret = self._box.open(secret_place(item.organization_id, item.webhook_id), item.secret_sealed)
            message = Message(str(item.notification_id), item.event_kind, item.body)
            return self._notifier.deliver(WebhookTarget(item.url, secret), message)
        except UnavailableError:
            raise
        except DeniedError as error:
            return Delivery(DeliveryStatus.FAILED, "secret_unreadable", error.detail)
        except Exception as error:
            # An attempt like any other, or what breaks on every try would be tried for ever.
            log.exception("delivery_failed", notification=str(item.notification_id))
            return Delivery(DeliveryStatus.UNKNOWN, "internal_error", type(error).__name__)
