"""Rows of metrics that came as JSON: checked as lines are, and told apart by JSON pointers when they are refused."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import (
    FIELDS_PER_LINE,
    LINES_PER_REQUEST,
    NAME_BYTES,
    POINTS_PER_REQUEST,
    REPORTED_REJECTIONS,
    STRING_FIELD_BYTES,
    TAG_VALUE_BYTES,
    TAGS_PER_SERIES,
)
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey, Tags
from strata_datamodel.spooling import Envelope
from strata_wire.line_grammar import Fault
from strata_wire.plain_points import PlainPoints
from strata_wire.times_kept import TimesKept

Row = dict[SeriesKey, float | str]
Value = bool | int | float | str
S = TypeVar("S")

_TIME: Final = "time"
_AT: Final = re.compile(r"^(?P<reason>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_INDEX: Final = re.compile(r"\[(\d+|\.\.\.)\]")


class RowError(Exception):
    """The row cannot be taken; `where` is a JSON pointer within it."""

    def __init__(self, where: str, reason: str, fault: Fault = Fault.MALFORMED) -> None:
        super().__init__(reason)
        self.where = where
        self.fault = fault


@dataclass(frozen=True, slots=True)
class RejectedRow:
    where: str
    """A JSON pointer into the body."""
    fault: Fault
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedRows:
    """Each row is accepted or rejected whole. `rejected` holds the first of them, `faults` counts all."""

    batch: PointBatch
    accepted: int
    rejected: tuple[RejectedRow, ...]
    faults: dict[Fault, int]

    @property
    def rejections(self) -> int:
        return sum(self.faults.values())


class Rows:
    """Collects the rows of one body. Raises TooLargeError past what a request may carry."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._points = PlainPoints()
        self._rejected: list[RejectedRow] = []
        self._faults: dict[Fault, int] = {}

    def take(self, time_ns: int, row: Row) -> None:
        self._points.take(time_ns, row)
        if len(self._points) > POINTS_PER_REQUEST:
            raise TooLargeError(
                f"the body has more than {POINTS_PER_REQUEST} points",
                code="points_per_request",
                hint="send smaller batches",
            )

    def reject(self, number: int, error: RowError) -> None:
        self._faults[error.fault] = self._faults.get(error.fault, 0) + 1
        if len(self._rejected) < REPORTED_REJECTIONS:
            self._rejected.append(RejectedRow(f"{self._root}/{number}{error.where}", error.fault, str(error)))

    def parsed(self, envelope: Envelope) -> ParsedRows:
        series, columns, texts = self._points.columns()
        batch = PointBatch(
            organization_id=envelope.organization_id,
            series=series,
            series_index=columns.series,
            time_ns=columns.times,
            values=columns.values,
            texts=texts,
        )
        return ParsedRows(batch, self._points.rows, tuple(self._rejected), self._faults)


def items_of(raw: list[msgspec.Raw], decoder: msgspec.json.Decoder[S]) -> Iterator[tuple[int, S | RowError]]:
    if len(raw) > LINES_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {LINES_PER_REQUEST} rows", code="lines_per_request", hint="send smaller batches"
        )
    for number, item in enumerate(raw):
        try:
            yield number, decoder.decode(item)
        except msgspec.MsgspecError as error:
            yield number, _row_error(error)
        except RecursionError:
            yield number, RowError("", "it is nested too deeply")


def whole(body: bytes, decoder: msgspec.json.Decoder[S], expected: str) -> S:
    """Raises InvalidError (code `invalid_json`) for a body that cannot be taken apart into rows."""
    try:
        return decoder.decode(body)
    except RecursionError:
        raise InvalidError("the body is nested too deeply", code="invalid_json") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidError(f"{expected}: {error}", code="invalid_json") from None


def head_of(measurement: str, tags: Mapping[str, str], where: str = "/tags") -> tuple[str, Tags]:
    """Tags without a value are as good as none."""
    _check_name(measurement, "/measurement")
    found = []
    for name, value in sorted(tags.items()):
        at = f"{where}/{_pointed(name)}"
        _check_name(name, at)
        if name == _TIME:
            raise RowError(at, 'a tag cannot be called "time"')
        _check_text(value, TAG_VALUE_BYTES, at)
        if value:
            found.append((name, value))
    if len(found) > TAGS_PER_SERIES:
        raise RowError(where, f"more than {TAGS_PER_SERIES} tags")
    return measurement, tuple(found)


def row_of(head: tuple[str, Tags], fields: Mapping[str, Value], where: str = "/fields") -> Row:
    if not fields:
        raise RowError(where, "no field has a value")
    if len(fields) > FIELDS_PER_LINE:
        raise RowError(where, f"more than {FIELDS_PER_LINE} fields")
    row: Row = {}
    for name, value in fields.items():
        at = f"{where}/{_pointed(name)}"
        _check_name(name, at)
        if name == _TIME:
            raise RowError(at, 'a field cannot be called "time"')
        field_class, kept = _kept(value, at)
        row[SeriesKey(*head, name, field_class)] = kept
    return row


def check_time(time_ns: int, kept: TimesKept) -> int:
    if time_ns < kept.oldest_ns:
        raise RowError("/time", kept.too_old(), Fault.TOO_OLD)
    if time_ns > kept.newest_ns:
        raise RowError("/time", kept.in_future(), Fault.IN_FUTURE)
    return time_ns


def _kept(value: Value, at: str) -> tuple[FieldClass, float | str]:
    if isinstance(value, bool):
        return FieldClass.BOOLEAN, float(value)
    if isinstance(value, str):
        _check_text(value, STRING_FIELD_BYTES, at)
        return FieldClass.STRING, value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RowError(at, "the number is out of range")
    return FieldClass.NUMBER, number


def _check_name(name: str, at: str) -> None:
    if not name:
        raise RowError(at, "a name is empty")
    _check_text(name, NAME_BYTES, at)


def _check_text(text: str, limit: int, at: str) -> None:
    if "\0" in text:
        raise RowError(at, "it holds a NUL character")
    if len(text) > limit or len(text.encode()) > limit:
        raise RowError(at, f"it is longer than {limit} bytes")


def _pointed(name: str) -> str:
    return name[:NAME_BYTES].replace("~", "~0").replace("/", "~1")


def _row_error(error: msgspec.MsgspecError) -> RowError:
    """What the decoder says, with its path (`$.tags[...]`) as a pointer."""
    found = _AT.match(str(error))
    path = (found["path"] or "$") if found else "$"
    pointer = _INDEX.sub(lambda at: "" if at[1] == "..." else f"/{at[1]}", path[1:]).replace(".", "/")
    return RowError(pointer, found["reason"] if found else str(error))
