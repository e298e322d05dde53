"""Metrics as JSON of our own: `{"metrics": [{"measurement", "tags", "fields", "time"}], "precision"}`."""

from decimal import Decimal
from typing import Final

import msgspec

from strata_datamodel.spooling import Envelope
from strata_wire.json_rows import ParsedRows, RowError, Rows, Value, check_time, head_of, items_of, row_of, whole
from strata_wire.precision import UNIT_NS
from strata_wire.times_kept import TimesKept
from strata_wire.timestamps import parse_time

_UNITS: Final = ("ns", "us", "ms", "s")
_DATE: Final = "-"
_DIGITS: Final = 30


class _Metric(msgspec.Struct, forbid_unknown_fields=True):
    measurement: str
    fields: dict[str, Value]
    tags: dict[str, str] = {}
    time: str | int | float | None = None


class _Push(msgspec.Struct, forbid_unknown_fields=True):
    metrics: list[msgspec.Raw]
    precision: str = "s"


_PUSH: Final = msgspec.json.Decoder(_Push)
_METRIC: Final = msgspec.json.Decoder(_Metric)


def parse_json_push(body: bytes, envelope: Envelope) -> ParsedRows:
    """Raises InvalidError (code `invalid_json`) and TooLargeError. A pure function."""
    push = whole(body, _PUSH, "the body is no push of metrics")
    kept, rows = TimesKept.of(envelope), Rows("/metrics")
    for number, metric in items_of(push.metrics, _METRIC):
        try:
            if isinstance(metric, RowError):
                raise metric
            time_ns = check_time(_time_ns(metric.time, push.precision, kept.received_ns), kept)
            rows.take(time_ns, row_of(head_of(metric.measurement, metric.tags), metric.fields))
        except RowError as error:
            rows.reject(number, error)
    return rows.parsed(envelope)


def _time_ns(sent: str | float | None, precision: str, received_ns: int) -> int:
    if sent is None:
        return received_ns
    if isinstance(sent, str):
        time_ns = parse_time(sent) if _DATE in sent else None
        if time_ns is None:
            raise RowError("/time", "it is neither RFC 3339 nor a number")
        return time_ns
    if precision not in _UNITS:
        raise RowError("/time", f"the precision is none of {', '.join(_UNITS)}")
    # The shortest decimal text of a float is the number that was sent.
    number = Decimal(repr(sent))
    if abs(number) >= Decimal(10) ** _DIGITS:
        raise RowError("/time", "the number is out of range")
    return int(number * UNIT_NS[precision])
