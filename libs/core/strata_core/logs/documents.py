"""The form an event is kept in: its JSON, with every field and to the nanosecond."""

import re
from typing import Final

import msgspec

from strata_datamodel.limits import LOG_DOCUMENT_BYTES
from strata_datamodel.logs import EVENT_ID_DIGITS, LogBatch, LogEvent
from strata_datamodel.metrics import Rejection

_ID: Final = re.compile(rf"[0-9a-f]{{{EVENT_ID_DIGITS}}}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INT64: Final = range(-(1 << 63), 1 << 63)

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(LogEvent).decode


class UnstorableError(ValueError):
    """No store will ever take this event; its text is the reason."""


def encoded_event(event: LogEvent) -> bytes:
    if not _ID.fullmatch(event.event_id):
        raise UnstorableError("the event's id is not 32 lower-case hex digits")
    if event.timestamp_ns not in _INT64:
        raise UnstorableError("the timestamp is out of range")
    try:
        document = _encode(event)
    except (ValueError, OverflowError, TypeError, RecursionError) as error:
        raise UnstorableError(f"the event cannot be written as JSON: {error}") from error
    if len(document) > LOG_DOCUMENT_BYTES:
        raise UnstorableError(f"the event has {len(document)} bytes, of {LOG_DOCUMENT_BYTES} allowed")
    return document


def decoded_event(document: bytes) -> LogEvent:
    """Raises ValueError when this is not what `encoded_event` made."""
    return _decode(document)


def is_day(day: str) -> bool:
    """Whether it may become part of a directory's or an index's name."""
    return _DAY.fullmatch(day) is not None


def events_by_day(batch: LogBatch) -> tuple[dict[str, list[tuple[int, LogEvent]]], list[Rejection]]:
    """The events of each index day with their places in the batch, and those with no usable day."""
    days: dict[str, list[tuple[int, LogEvent]]] = {}
    rejected: list[Rejection] = []
    for place, event in enumerate(batch.events):
        events = days.get(event.day)
        if events is not None:
            events.append((place, event))
        elif is_day(event.day):
            days[event.day] = [(place, event)]
        else:
            rejected.append(Rejection(place, "the index day is not YYYY-MM-DD"))
    return days, rejected
