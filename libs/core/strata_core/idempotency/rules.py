"""What a key may look like, and what its row says about a request."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from strata_datamodel.errors import ConflictError, InvalidError
from strata_datamodel.limits import IDEMPOTENCY_HOURS, IDEMPOTENCY_KEY_LENGTH

KEPT_FOR: Final = timedelta(hours=IDEMPOTENCY_HOURS)
IN_FLIGHT_FOR: Final = timedelta(minutes=2)
"""Longer than any request may take: a row that is still without an answer then was left by a crash."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def check_key(key: str) -> str:
    """Raises InvalidError (code `bad_idempotency_key`)."""
    if not 0 < len(key) <= IDEMPOTENCY_KEY_LENGTH or not (key.isascii() and key.isprintable()):
        raise InvalidError(
            f"an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_LENGTH} printable ASCII characters",
            code="bad_idempotency_key",
            hint="a random UUID does well",
        )
    return key


def reply_of(stored: StoredReply | None, stored_fingerprint: bytes, fingerprint: bytes) -> StoredReply:
    """What a second request gets. Raises InvalidError (code `idempotency_key_reused`) when it is another request than
    the first, ConflictError (code `idempotency_in_flight`) when the first has no answer yet."""
    if stored_fingerprint != fingerprint:
        raise InvalidError(
            "this Idempotency-Key was used for another request",
            code="idempotency_key_reused",
            hint="use a new key for each new request",
        )
    if stored is None:
        raise in_flight()
    return stored


def in_flight() -> ConflictError:
    return ConflictError(
        "a request with this Idempotency-Key is under way",
        code="idempotency_in_flight",
        hint="wait for its answer, or ask again in a moment",
        retry_after_s=1,
    )
