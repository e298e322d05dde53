"""Typed ids. All are UUIDv7, so that keys sort by creation and indexes stay dense."""

import secrets
from typing import NewType
from uuid import UUID

OrganizationId = NewType("OrganizationId", UUID)
UserId = NewType("UserId", UUID)
MembershipId = NewType("MembershipId", UUID)
HostId = NewType("HostId", UUID)
ServiceId = NewType("ServiceId", UUID)
RuleId = NewType("RuleId", UUID)
AlertId = NewType("AlertId", UUID)
WebhookId = NewType("WebhookId", UUID)
NotificationId = NewType("NotificationId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
SessionId = NewType("SessionId", UUID)
OutboxId = NewType("OutboxId", UUID)
BatchId = NewType("BatchId", UUID)
DeadLetterId = NewType("DeadLetterId", UUID)

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def uuid7(unix_ms: int, randomness: bytes | None = None) -> UUID:
    """A version 7 UUID (RFC 9562) of this instant; `randomness` is ten bytes, drawn when absent."""
    noise = int.from_bytes(randomness if randomness is not None else secrets.token_bytes(10), "big")
    rand_a = (noise >> 62) & 0xFFF
    rand_b = noise & ((1 << 62) - 1)
    return UUID(int=((unix_ms & ((1 << 48) - 1)) << 80) | _VERSION | (rand_a << 64) | _VARIANT | rand_b)


def unix_ms_of(value: UUID) -> int:
    """The instant inside a version 7 UUID."""
    return value.int >> 80
