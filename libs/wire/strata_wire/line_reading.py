"""One line of a body at a time, by the grammar: the plain way, which says what every other way has to answer."""

from dataclasses import dataclass
from typing import Final

from strata_datamodel.limits import FIELDS_PER_LINE, LINE_BYTES
from strata_datamodel.metrics import SeriesKey, Tags
from strata_datamodel.spooling import Envelope
from strata_wire.line_grammar import (
    Fault,
    LineError,
    Sections,
    parse_field_name,
    parse_key,
    parse_timestamp,
    parse_value,
    scan_line,
    split_fields,
)
from strata_wire.precision import NANOSECONDS, PRECISION, UNIT_NS
from strata_wire.times_kept import TimesKept

_SHOWN_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """`number` counts the body's lines from 1; of a line with newlines inside a string it is the first."""

    number: int
    fault: Fault
    reason: str
    beginning: str


@dataclass(frozen=True, slots=True)
class Line:
    start: int
    end: int
    """The newline that closes it, or the end of the body."""
    sections: Sections | LineError


@dataclass(frozen=True, slots=True)
class Times:
    """What a body's timestamps mean, and which of them are kept."""

    unit_ns: int
    kept: TimesKept

    @staticmethod
    def of(envelope: Envelope) -> "Times":
        return Times(UNIT_NS[envelope.parameters.get(PRECISION, NANOSECONDS)], TimesKept.of(envelope))


def line_at(body: bytes, start: int) -> Line | None:
    """The first line from `start` on that is neither empty nor a comment."""
    length = len(body)
    while start < length:
        end = body.find(b"\n", start)
        if end < 0:
            end = length
        line = body[start:end].strip(b" \t\r")
        if line and line[0] != 0x23:
            sections = _plain_sections(line)
            if sections is None:
                first = start
                while body[first] in b" \t\r":
                    first += 1
                end, sections = scan_line(body, first)
            if end - start > LINE_BYTES:
                sections = LineError(f"line is longer than {LINE_BYTES} bytes")
            return Line(start, end, sections)
        start = end + 1
    return None


def row_of(line: Line, times: Times, keys: dict[bytes, tuple[str, Tags]]) -> tuple[int, dict[SeriesKey, float | str]]:
    """The time of a line and its values. `keys` keeps what was read of keys. Raises LineError."""
    sections = line.sections
    if isinstance(sections, LineError):
        raise sections
    key = keys.get(sections.key)
    if key is None:
        key = keys[sections.key] = parse_key(sections.key)
    time_ns = _time_ns(sections.timestamp, times)
    if len(sections.fields) > FIELDS_PER_LINE:
        raise LineError(f"more than {FIELDS_PER_LINE} fields")
    measurement, tags = key
    row: dict[SeriesKey, float | str] = {}
    # Of a field sent twice in one line the last value wins, whatever its type.
    for name, raw in dict(sections.fields).items():
        field_class, value = parse_value(raw)
        row[SeriesKey(measurement, tags, parse_field_name(name, measurement), field_class)] = value
    return time_ns, row


def rejected_line(body: bytes, line: Line, number: int, error: LineError) -> RejectedLine:
    beginning = body[line.start : min(line.end, line.start + _SHOWN_BYTES)].decode(errors="replace")
    return RejectedLine(number, error.fault, str(error), beginning)


def _plain_sections(line: bytes) -> Sections | LineError | None:
    """Nearly every line has single spaces and nothing quoted or escaped; the others are scanned."""
    if b'"' in line or b"\\" in line or b"\t" in line:
        return None
    parts = line.split(b" ")
    count = len(parts)
    if count not in (2, 3) or not parts[1]:
        return LineError("missing fields") if count == 1 else None
    try:
        return Sections(parts[0], split_fields(parts[1]), parts[2] if count == 3 else b"")
    except LineError as error:
        return error


def _time_ns(raw: bytes, times: Times) -> int:
    kept = times.kept
    if not raw:
        return kept.received_ns
    time_ns = parse_timestamp(raw) * times.unit_ns
    if time_ns < kept.oldest_ns:
        raise LineError(kept.too_old(), Fault.TOO_OLD)
    if time_ns > kept.newest_ns:
        raise LineError(kept.in_future(), Fault.IN_FUTURE)
    return time_ns
