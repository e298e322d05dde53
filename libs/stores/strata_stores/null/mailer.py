"""Without a mail server, mails are kept as files: whoever runs this machine can read the links and hand them over."""

import os
from pathlib import Path
from typing import Final

import structlog

from strata_core.mail.composing import composed
from strata_core.ports.mailer import Mail
from strata_core.ports.notifier import Delivery, DeliveryStatus
from strata_datamodel.limits import MAIL_FILES

_PRIVATE_DIRECTORY: Final = 0o700
_PRIVATE_FILE: Final = 0o600

log = structlog.get_logger(__name__)


class MailDirectory:
    """`<id>.eml` for each mail, readable by this user alone; the oldest go when there are more than `kept`."""

    def __init__(self, directory: Path, sender: str, *, kept: int = MAIL_FILES) -> None:
        self._directory = directory
        self._sender = sender
        self._kept = kept

    def send(self, mail: Mail) -> Delivery:
        path = self._directory / f"{mail.mail_id}.eml"
        try:
            self._write(path, composed(mail, self._sender).as_bytes())
            self._forget_oldest()
        except OSError as error:
            return Delivery(DeliveryStatus.RETRY, "unavailable", f"the mail directory: {error.strerror}")
        log.info("mail_kept", path=str(path), reason="no mail server is set (STRATA_SMTP_URL)")
        return Delivery(DeliveryStatus.SENT, "kept", "in the mail directory")

    def _write(self, path: Path, content: bytes) -> None:
        self._directory.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        partial.replace(path)

    def _forget_oldest(self) -> None:
        # Ids are in the order of time.
        for path in sorted(self._directory.glob("*.eml"))[: -self._kept]:
            path.unlink(missing_ok=True)
