"""Log events and questions about them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from strata_datamodel.ids import BatchId, OrganizationId
from strata_datamodel.metrics import Rejection
from strata_datamodel.spooling import SpoolPosition


class LogLevel(StrEnum):
    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    FATAL = "fatal"
    UNKNOWN = "unknown"


EVENT_ID_DIGITS: Final = 32
_PLACE_BITS: Final = 24


def log_event_id(received_at_ns: int, organization_id: OrganizationId, batch_id: BatchId, place: int) -> str:
    """48 bits of arrival in milliseconds, 56 of a hash of the batch, 24 of the event's place in it. Ids of later
    batches are greater, which keeps look-ups cheap in every store, and events of a batch with one time stay in order.
    """
    if not 0 <= place < 1 << _PLACE_BITS:
        raise ValueError(f"a batch cannot have an event at place {place}")
    arrival_ms = received_at_ns // 1_000_000 & (1 << 48) - 1
    batch = hashlib.blake2b(organization_id.bytes + batch_id.bytes, digest_size=7).hexdigest()
    return f"{arrival_ms:012x}{batch}{place:06x}"


def named_event_id(event_ns: int | None, organization_id: OrganizationId, stream: str, name: str) -> str:
    """For an event that its sender named: the same again when it is sent again, in whatever batch. `event_ns` is the
    time the event itself carries, None when it carries none: its arrival would change with each retry."""
    event_ms = 0 if event_ns is None else event_ns // 1_000_000 & (1 << 48) - 1
    digest = hashlib.blake2b(organization_id.bytes, digest_size=10)
    digest.update(len(stream.encode()).to_bytes(4, "big") + stream.encode() + name.encode())
    return f"{event_ms:012x}{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """`event_id` is 32 lower-case hex digits, made by `log_event_id` or `named_event_id`: within an organization and
    day it is the event's identity. `day` is the index day, YYYY-MM-DD, fixed at acceptance: a replay writes the same
    id into the same index.
    """

    event_id: str
    day: str
    timestamp_ns: int
    level: LogLevel
    message: str
    host_id: str = ""
    service_id: str = ""
    stream: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogBatch:
    organization_id: OrganizationId
    events: tuple[LogEvent, ...]
    source: SpoolPosition | None = None


@dataclass(frozen=True, slots=True)
class LogWriteOutcome:
    """`written` counts events that are in the store now, those that were there before included."""

    written: int
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class MatchAll:
    pass


@dataclass(frozen=True, slots=True)
class Text:
    """Words that all occur in the message, in any order; one after the other when `phrase`. No word matches all."""

    words: str
    phrase: bool = False


@dataclass(frozen=True, slots=True)
class FieldIs:
    """`name` is level, host_id, service_id, stream, `tags.<key>` or `metadata.<key>`, nested keys joined by dots. The
    value is the whole one, or begins with `value` when `prefix`. Values over LOG_KEYWORD_BYTES are never found."""

    name: str
    value: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class AttributeHolds:
    """`text` occurs somewhere in an attribute, as FieldIs sees them: in its name or its value, letters' case aside. For
    erasures: it looks at every term there is."""

    text: str


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["LogFilter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["LogFilter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "LogFilter"


LogFilter = MatchAll | Text | FieldIs | AttributeHolds | And | Or | Not


class SortOrder(StrEnum):
    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class LogCursor:
    """The last event of a page: the next page begins after it in the search's order."""

    timestamp_ns: int
    event_id: str


@dataclass(frozen=True, slots=True)
class LogSearch:
    organization_id: OrganizationId
    where: LogFilter
    from_ns: int
    to_ns: int
    limit: int
    order: SortOrder = SortOrder.DESC
    after: LogCursor | None = None


@dataclass(frozen=True, slots=True)
class LogTotal:
    """`relation` is eq, or gte when counting stopped at LOG_TOTAL_COUNTED."""

    value: int
    relation: str


@dataclass(frozen=True, slots=True)
class LogPage:
    items: tuple[LogEvent, ...]
    next_cursor: LogCursor | None
    total: LogTotal
