"""What collectd's write_http sends: an array of value lists. A plugin is a measurement, each data source a field."""

from typing import Final

import msgspec

from strata_datamodel.spooling import Envelope
from strata_wire.json_rows import ParsedRows, RowError, Rows, check_time, head_of, items_of, row_of, whole
from strata_wire.times_kept import TimesKept

_MICROSECONDS: Final = 1_000_000
_MICROSECOND_NS: Final = 1_000
_LATEST_S: Final = 1e10
_KINDS: Final = frozenset({"gauge", "derive", "counter", "absolute"})


class _ValueList(msgspec.Struct):
    values: list[int | float | None]
    dstypes: list[str]
    dsnames: list[str]
    time: float
    host: str
    plugin: str
    type: str
    plugin_instance: str = ""
    type_instance: str = ""


_BODY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE_LIST: Final = msgspec.json.Decoder(_ValueList)


def parse_collectd(body: bytes, envelope: Envelope) -> ParsedRows:
    """Raises InvalidError (code `invalid_json`) and TooLargeError. A pure function."""
    kept, rows = TimesKept.of(envelope), Rows("")
    for number, found in items_of(whole(body, _BODY, "the body is no array of value lists"), _VALUE_LIST):
        try:
            if isinstance(found, RowError):
                raise found
            rows.take(check_time(_time_ns(found.time), kept), row_of(_head(found), _fields(found), "/values"))
        except RowError as error:
            rows.reject(number, error)
    return rows.parsed(envelope)


def _head(found: _ValueList) -> tuple[str, tuple[tuple[str, str], ...]]:
    tags = {
        "host": found.host,
        "plugin_instance": found.plugin_instance,
        "type": found.type,
        "type_instance": found.type_instance,
    }
    return head_of(found.plugin, tags, "")


def _fields(found: _ValueList) -> dict[str, bool | int | float | str]:
    """Counters stay as they were read: `rate` makes them a speed. What collectd could not read is null."""
    if not len(found.values) == len(found.dsnames) == len(found.dstypes):
        raise RowError("/values", "values, dstypes and dsnames are not equally many")
    for place, kind in enumerate(found.dstypes):
        if kind not in _KINDS:
            raise RowError(f"/dstypes/{place}", f"it is none of {', '.join(sorted(_KINDS))}")
    return {name: value for name, value in zip(found.dsnames, found.values, strict=True) if value is not None}


def _time_ns(time_s: float) -> int:
    """To the microsecond: a double holds no more of a time of today."""
    if not 0 <= time_s < _LATEST_S:
        raise RowError("/time", "it is no time")
    return round(time_s * _MICROSECONDS) * _MICROSECOND_NS
