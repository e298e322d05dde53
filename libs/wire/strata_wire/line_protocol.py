"""InfluxDB line protocol to points. A pure function of the body and its envelope: a replay gives the same points.

Every number becomes a float, so integers beyond 2^53 lose their last digits. A line is taken whole or not at all.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import (
    FIELDS_PER_LINE,
    FUTURE_SECONDS,
    LINE_BYTES,
    LINES_PER_REQUEST,
    METRICS_PAST_DAYS,
    POINTS_PER_REQUEST,
    REPORTED_REJECTIONS,
)
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_datamodel.spooling import Envelope, SpoolPosition
from strata_wire.known_series import KnownSeries, ReadKey
from strata_wire.line_grammar import (
    LineError,
    Sections,
    parse_timestamp,
    parse_value,
    scan_line,
    split_fields,
)
from strata_wire.precision import NANOSECONDS, PRECISION, UNIT_NS

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_SHOWN_BYTES: Final = 128


class Fault(StrEnum):
    """Whether a line could not be read, or was read and lies outside what is kept."""

    MALFORMED = "malformed"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """`number` counts the body's lines from 1; of a line with newlines inside a string it is the first."""

    number: int
    fault: Fault
    reason: str
    beginning: str


@dataclass(frozen=True, slots=True)
class ParsedLines:
    """Every line that is neither empty nor a comment is accepted or rejected. `rejected` holds the first of them,
    `faults` counts all."""

    batch: PointBatch
    accepted: int
    rejected: tuple[RejectedLine, ...]
    faults: dict[Fault, int]

    @property
    def rejections(self) -> int:
        return sum(self.faults.values())


class _TimeError(LineError):
    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


@dataclass(slots=True)
class _Interned:
    """A series key as sent, and which series of the body its fields are, by raw name."""

    key: ReadKey
    numbers: dict[bytes, int] = field(default_factory=dict)
    strings: dict[bytes, int] = field(default_factory=dict)
    booleans: dict[bytes, int] = field(default_factory=dict)

    def of(self, field_class: FieldClass) -> dict[bytes, int]:
        # Not a dict by class: hashing an enum member runs Python code, and this is looked up for every value.
        if field_class is FieldClass.NUMBER:
            return self.numbers
        return self.strings if field_class is FieldClass.STRING else self.booleans


class _Line(NamedTuple):
    number: int
    start: int
    end: int
    sections: Sections | LineError


def parse_lines(
    body: bytes, envelope: Envelope, source: SpoolPosition | None = None, known: KnownSeries | None = None
) -> ParsedLines:
    """Raises TooLargeError for a body with more lines or points than a request may carry. The points are the same
    whatever is `known`; series that are known are those very objects."""
    if body.count(b"\n") > LINES_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {LINES_PER_REQUEST} lines", code="lines_per_request", hint="send smaller batches"
        )
    columns = _Columns(envelope, KnownSeries() if known is None else known)
    rejected: list[RejectedLine] = []
    faults: dict[Fault, int] = {}
    accepted = 0
    for line in _lines(body):
        try:
            columns.take(line)
            accepted += 1
        except LineError as error:
            fault = error.fault if isinstance(error, _TimeError) else Fault.MALFORMED
            faults[fault] = faults.get(fault, 0) + 1
            if len(rejected) < REPORTED_REJECTIONS:
                beginning = body[line.start : min(line.end, line.start + _SHOWN_BYTES)].decode(errors="replace")
                rejected.append(RejectedLine(line.number, fault, str(error), beginning))
    return ParsedLines(columns.batch(source), accepted, tuple(rejected), faults)


def _lines(body: bytes) -> Iterator[_Line]:
    number = 1
    start = 0
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
            yield _Line(number, start, end, sections)
            number += body.count(b"\n", start, end)
        number += 1
        start = end + 1


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


class _Columns:
    def __init__(self, envelope: Envelope, known: KnownSeries) -> None:
        self._known = known
        self._organization_id = envelope.organization_id
        self._received_ns = envelope.received_at_ns
        self._unit_ns = UNIT_NS[envelope.parameters.get(PRECISION, NANOSECONDS)]
        self._oldest_ns = envelope.received_at_ns - METRICS_PAST_DAYS * _DAY_NS
        self._newest_ns = envelope.received_at_ns + FUTURE_SECONDS * _SECOND_NS
        self._keys: dict[bytes, _Interned] = {}
        self._series: dict[SeriesKey, int] = {}
        self._texts: dict[str, int] = {}
        self._indexes = array("i")
        self._times = array("q")
        self._values = array("d")

    def take(self, line: _Line) -> None:
        sections = line.sections
        if isinstance(sections, LineError):
            raise sections
        interned = self._keys.get(sections.key)
        if interned is None:
            interned = _Interned(self._known.key(self._organization_id, sections.key))
            self._keys[sections.key] = interned
        time_ns = self._time_ns(sections.timestamp)
        row = self._row(interned, sections.fields)
        for index, value in row.items():
            self._indexes.append(index)
            self._times.append(time_ns)
            self._values.append(value if isinstance(value, float) else self._text_index(value))
        if len(self._indexes) > POINTS_PER_REQUEST:
            raise TooLargeError(
                f"the body has more than {POINTS_PER_REQUEST} points",
                code="points_per_request",
                hint="send smaller batches",
            )

    def batch(self, source: SpoolPosition | None) -> PointBatch:
        series = tuple(self._series)
        indexes = np.array(self._indexes, dtype=np.int32)
        used = np.unique(indexes)
        if len(used) < len(series):
            # A line may be refused after its first fields were looked up: series without a point are not series.
            series = tuple(series[index] for index in used.tolist())
            indexes = np.searchsorted(used, indexes).astype(np.int32)
        return PointBatch(
            organization_id=self._organization_id,
            series=series,
            series_index=indexes,
            time_ns=np.array(self._times, dtype=np.int64),
            values=np.array(self._values, dtype=np.float64),
            texts=tuple(self._texts),
            source=source,
        )

    def _row(self, interned: _Interned, fields: list[tuple[bytes, bytes]]) -> dict[int, float | str]:
        if len(fields) > FIELDS_PER_LINE:
            raise LineError(f"more than {FIELDS_PER_LINE} fields")
        row: dict[int, float | str] = {}
        # Of a field sent twice in one line the last value wins, whatever its type.
        for name, raw in dict(fields).items():
            field_class, value = parse_value(raw)
            index = interned.of(field_class).get(name)
            if index is None:
                index = self._series_index(interned, name, field_class)
            row[index] = value
        return row

    def _series_index(self, interned: _Interned, raw_name: bytes, field_class: FieldClass) -> int:
        series = self._known.series(interned.key, raw_name, field_class)
        index = self._series.setdefault(series, len(self._series))
        interned.of(field_class)[raw_name] = index
        return index

    def _time_ns(self, raw: bytes) -> int:
        if not raw:
            return self._received_ns
        time_ns = parse_timestamp(raw) * self._unit_ns
        if time_ns < self._oldest_ns:
            raise _TimeError(Fault.TOO_OLD, f"timestamp is more than {METRICS_PAST_DAYS} days old")
        if time_ns > self._newest_ns:
            raise _TimeError(Fault.IN_FUTURE, f"timestamp is more than {FUTURE_SECONDS} seconds in the future")
        return time_ns

    def _text_index(self, text: str) -> float:
        return float(self._texts.setdefault(text, len(self._texts)))
