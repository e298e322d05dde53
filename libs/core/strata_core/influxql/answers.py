"""Results as InfluxDB's clients read them: JSON, in pieces where they want it so, or CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from strata_core.influxql.columns import Times, listed
from strata_core.influxql.queries import Result, Selected
from strata_core.influxql.showing import Listed

CHUNK_ROWS: Final = 10_000
_EPOCH_NS: Final = {
    "ns": 1,
    "n": 1,
    "u": 1_000,
    "µ": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


@dataclass(frozen=True, slots=True)
class Form:
    """How a client wants it. Without an epoch times are RFC 3339; an unknown one is nanoseconds, as in InfluxDB."""

    epoch: str = ""
    is_pretty: bool = False
    is_csv: bool = False
    chunk_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    tags: Mapping[str, str]
    columns: Sequence[str]
    rows: list[list[object]]
    is_partial: bool = False


def written(results: Iterable[Result], form: Form) -> Iterator[bytes]:
    """In pieces that may be sent as they come."""
    if form.is_csv:
        yield _csv(results, form).encode()
    elif form.chunk_rows is None:
        told = [_result(result, _series(result, form)) for result in results]
        yield _json({"results": told}, form)
    else:
        for result in results:
            for piece in _pieces(result, form, form.chunk_rows):
                yield _json({"results": [piece]}, form)


def error_body(message: str, *, is_pretty: bool = False) -> bytes:
    return _json({"error": message}, Form(is_pretty=is_pretty))


def _json(told: Mapping[str, object], form: Form) -> bytes:
    options = orjson.OPT_INDENT_2 if form.is_pretty else 0
    return orjson.dumps(told, option=options | orjson.OPT_APPEND_NEWLINE)


def _result(result: Result, series: Iterable[Series], *, is_partial: bool = False) -> dict[str, object]:
    told: dict[str, object] = {"statement_id": result.statement}
    found = [_series_told(each) for each in series]
    if found:
        told["series"] = found
    if is_partial:
        told["partial"] = True
    if result.error is not None:
        told["error"] = result.error
    return told


def _series_told(series: Series) -> dict[str, object]:
    told: dict[str, object] = {}
    if series.name:
        told["name"] = series.name
    if series.tags:
        told["tags"] = dict(sorted(series.tags.items()))
    told["columns"] = series.columns
    told["values"] = series.rows
    if series.is_partial:
        told["partial"] = True
    return told


def _pieces(result: Result, form: Form, size: int) -> Iterator[dict[str, object]]:
    """Each of one series, of so many rows at most; `partial` says that more of it comes."""
    parts = [
        Series(each.name, each.tags, each.columns, each.rows[at : at + size], at + size < len(each.rows))
        for each in _series(result, form)
        for at in range(0, len(each.rows), size)
    ]
    if not parts:
        yield _result(result, ())
    for number, part in enumerate(parts, 1):
        yield _result(result, (part,), is_partial=number < len(parts))


def _series(result: Result, form: Form) -> Iterator[Series]:
    match result.told:
        case Selected(time_column=time_column, columns=columns, series=found):
            names = [time_column, *columns]
            for each in found:
                values = [_times(each.time, form), *(listed(column) for column in each.columns)]
                yield Series(each.name, each.tags, names, [list(row) for row in zip(*values, strict=True)])
        case None:
            return
        case listing:
            yield from (_listing(each) for each in listing)


def _listing(each: Listed) -> Series:
    return Series(each.name, {}, each.columns, each.values)


def _times(times: Times, form: Form) -> list[object]:
    if form.epoch or form.is_csv:
        unit_ns = _EPOCH_NS.get(form.epoch, 1)
        found: list[object] = (np.sign(times) * (np.abs(times) // unit_ns)).tolist()
        return found
    return [_rfc3339(text) for text in np.datetime_as_string(times.astype("datetime64[ns]")).tolist()]


def _rfc3339(text: str) -> str:
    return text.rstrip("0").rstrip(".") + "Z" if "." in text else text + "Z"


def _csv(results: Iterable[Result], form: Form) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for result in results:
        if result.error is not None:
            writer.writerows((["error"], [result.error]))
        columns: Sequence[str] | None = None
        for each in _series(result, form):
            if columns is None or list(columns) != list(each.columns):
                if out.tell():
                    out.write("\n")
                columns = each.columns
                writer.writerow(["name", "tags", *columns])
            tags = ",".join(f"{key}={value}" for key, value in sorted(each.tags.items()) if value)
            writer.writerows([each.name, tags, *(_cell(value) for value in row)] for row in each.rows)
    return out.getvalue()


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return np.format_float_positional(value, trim="-")
        case _:
            return value
