"""Typed ids. All are UUIDv7, so that keys sort by creation and indexes stay dense."""

import secrets
import threading
from datetime import datetime
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
RoleId = NewType("RoleId", UUID)
TeamId = NewType("TeamId", UUID)
ServiceAccountId = NewType("ServiceAccountId", UUID)
RoleAssignmentId = NewType("RoleAssignmentId", UUID)
MailId = NewType("MailId", UUID)
InvitationId = NewType("InvitationId", UUID)
PasskeyId = NewType("PasskeyId", UUID)
SagaId = NewType("SagaId", UUID)
DashboardId = NewType("DashboardId", UUID)

PEOPLE = OrganizationId(UUID("00000000-0000-7000-8000-000000000001"))
"""Not an organization: stands where one is asked for, for the secrets of people, who exist apart from any."""

ADDRESSES = OrganizationId(UUID("00000000-0000-7000-8000-000000000002"))
"""Not an organization either: stands for callers of whom only the address is known."""

PROBE = OrganizationId(UUID("00000000-0000-7000-8000-000000000003"))
"""Nor is this: owns what is written to a store to see whether it may be written, and is deleted again."""

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_COUNTER_BITS = 26
_NOISE_BITS = 48
_RAND_B_COUNTER_BITS = _COUNTER_BITS - 12


class _Sequence:
    """Within a process, ids of one millisecond rise in the order they are made: rows sort as they were written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unix_ms = -1
        self._counter = 0

    def next(self, unix_ms: int) -> int:
        with self._lock:
            if unix_ms == self._unix_ms:
                self._counter += 1
            else:
                # The top bit is left free: a counter has room to rise for half its range.
                self._unix_ms, self._counter = unix_ms, secrets.randbits(_COUNTER_BITS - 1)
            return self._counter


_sequence = _Sequence()


def uuid7(unix_ms: int) -> UUID:
    """A version 7 UUID (RFC 9562, method 1: a counter of 26 bits, then 48 random bits) of this instant."""
    counter = _sequence.next(unix_ms)
    rand_a = counter >> _RAND_B_COUNTER_BITS & 0xFFF
    rand_b = (counter & ((1 << _RAND_B_COUNTER_BITS) - 1)) << _NOISE_BITS | secrets.randbits(_NOISE_BITS)
    return UUID(int=((unix_ms & ((1 << 48) - 1)) << 80) | _VERSION | (rand_a << 64) | _VARIANT | rand_b)


def lowest_uuid7(instant: datetime) -> UUID:
    """Below every version 7 UUID of this instant or later, and above all of the milliseconds before."""
    return UUID(int=(int(instant.timestamp() * 1000) << 80) | _VERSION | _VARIANT)


def unix_ms_of(value: UUID) -> int:
    """The instant inside a version 7 UUID."""
    return value.int >> 80
