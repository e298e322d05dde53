"""Sends one notification to one destination, once, and says how it went."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class DeliveryStatus(StrEnum):
    SENT = "sent"
    RETRY = "retry"  # refused for now, or never reached: nothing was accepted
    FAILED = "failed"  # refused for good
    UNKNOWN = "unknown"  # may or may not have been accepted: resend with the same id after the deadline


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    url: str
    secret: bytes = field(repr=False)
    """Signing key, raw bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """`message_id` is the same for every attempt: receivers drop doubles by it."""

    message_id: str
    event_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    status: DeliveryStatus
    reason: str
    """One of a small set of words (accepted, timeout, connect_failed, refused_address, http_4xx): a metric label."""
    detail: str = ""
    """For people; bounded, no secrets, no body of the receiver beyond its first 200 characters."""
    http_status: int | None = None
    retry_after_s: int | None = None


class Notifier(Protocol):
    def deliver(self, target: WebhookTarget, message: Message) -> Delivery:
        """Never raises for anything the network or the receiver does. Bounded in time. Signs as Standard Webhooks.
        Refuses (FAILED, `refused_address`) addresses that are not global unless the operator allows their network."""
        ...
