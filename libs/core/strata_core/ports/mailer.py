"""Sends one mail to one address and says how it went."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from strata_core.ports.notifier import Delivery


@dataclass(frozen=True, slots=True)
class Mail:
    """`mail_id` is the same for every attempt and becomes the Message-ID, by which receivers drop doubles. `text` may
    hold a link that signs somebody in: it is neither logged nor shown."""

    mail_id: str
    to: str
    subject: str
    text: str = field(repr=False)
    written_at: datetime


class Mailer(Protocol):
    def send(self, mail: Mail) -> Delivery:
        """Never raises for anything the network or the receiver does. Bounded in time. UNKNOWN when the server had the
        whole mail and did not say whether it took it. The answer holds nothing of the text."""
        ...
