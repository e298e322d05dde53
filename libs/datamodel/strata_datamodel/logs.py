"""Log events and questions about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from strata_datamodel.ids import OrganizationId
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


@dataclass(frozen=True, slots=True)
class LogEvent:
    """`event_id` is deterministic (organization, batch, place in the batch); `day` is the index day, YYYY-MM-DD,
    fixed at acceptance: a replay writes the same id into the same index."""

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
    """Words that all occur in the message, in any order; a phrase when `phrase`."""

    words: str
    phrase: bool = False


@dataclass(frozen=True, slots=True)
class FieldIs:
    """`name` is level, host_id, service_id, stream, `tags.<key>` or `metadata.<key>`; exact, but a trailing * in
    `value` makes it a prefix when `prefix`."""

    name: str
    value: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["LogFilter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["LogFilter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "LogFilter"


LogFilter = MatchAll | Text | FieldIs | And | Or | Not


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
