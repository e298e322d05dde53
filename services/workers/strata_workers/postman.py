"""Sends queued mails: claims them, writes them out, sends outside any transaction, records how it went."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.mail.links import LinkKey
from strata_core.mail.rules import written_mail
from strata_core.mail.sending import ClaimedMail, claim_mails, record_mail
from strata_core.ports.mailer import Mailer
from strata_core.ports.notifier import Delivery, DeliveryStatus
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork

log = structlog.get_logger(__name__)
SIDE_BY_SIDE: Final = 4


class Postman:
    def __init__(
        self,
        units: SystemUnitsOfWork,
        mailer: Mailer,
        link_key: LinkKey,
        public_url: str,
        registry: CollectorRegistry,
    ) -> None:
        self._units = units
        self._mailer = mailer
        self._link_key = link_key
        self._public_url = public_url
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="mail")
        self._attempts = Counter(
            "strata_mail_attempts", "Attempts to send mails, by what came of them.", ["status", "reason"],
            registry=registry,
        )  # fmt: skip

    def step(self) -> int:
        with self._units.system() as uow:
            claimed = claim_mails(uow, limit=SIDE_BY_SIDE)
        for attempt in [self._pool.submit(self._attempt, item) for item in claimed]:
            attempt.result()
        return len(claimed)

    def close(self) -> None:
        """Waits for mails under way."""
        self._pool.shutdown()

    def _attempt(self, item: ClaimedMail) -> None:
        delivery = self._send(item)
        with self._units.system() as uow:
            state = record_mail(uow, item, delivery)
        self._attempts.labels(delivery.status, delivery.reason).inc()
        log.info("mail_attempted", mail=str(item.mail_id), kind=item.kind, attempt=item.attempts, state=state)

    def _send(self, item: ClaimedMail) -> Delivery:
        try:
            mail = written_mail(
                item.mail_id,
                item.kind,
                item.recipient,
                item.parameters,
                item.created_at,
                self._link_key,
                self._public_url,
            )
        except (KeyError, ValueError):
            return Delivery(DeliveryStatus.FAILED, "unwritable", f"{item.kind} lacks what its text names")
        return self._mailer.send(mail)
