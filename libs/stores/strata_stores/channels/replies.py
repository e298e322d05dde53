"""What an answer means for the message. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from strata_core.ports.notifier import Delivery, DeliveryStatus

_LATER: Final = frozenset({408, 425, 429})
_LONGEST_PAUSE_S: Final = 24 * 3600
_QUOTED_CHARACTERS: Final = 200


def delivery_of(status: int, retry_after: str | None, body: bytes, now: datetime) -> Delivery:
    if 200 <= status < 300:
        return Delivery(DeliveryStatus.SENT, "accepted", http_status=status)
    outcome = DeliveryStatus.RETRY if status in _LATER or 500 <= status < 600 else DeliveryStatus.FAILED
    reason = f"http_{status // 100}xx" if 300 <= status < 600 else "bad_reply"
    detail = f"answered {status}: {quoted(body)}".removesuffix(": ")
    pause_s = _seconds(retry_after, now) if outcome is DeliveryStatus.RETRY else None
    return Delivery(outcome, reason, detail, http_status=status, retry_after_s=pause_s)


def quoted(body: bytes) -> str:
    """For people: the beginning, in printable characters."""
    text = body[: _QUOTED_CHARACTERS * 4].decode("utf-8", "replace")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_QUOTED_CHARACTERS]


def _seconds(retry_after: str | None, now: datetime) -> int | None:
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) if len(text) <= 9 and int(text) <= _LONGEST_PAUSE_S else _LONGEST_PAUSE_S
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    left = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(0, round(left.total_seconds())), _LONGEST_PAUSE_S)
