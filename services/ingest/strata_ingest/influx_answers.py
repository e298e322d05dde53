"""Answers in the forms of InfluxDB 1.x and 2.x."""

import re
from typing import Final

import orjson
from starlette.responses import Response

from strata_datamodel.refused_series import RefusedPoints
from strata_wire.line_protocol import Fault, ParsedLines, RejectedLine

SERVER_VERSION: Final = "2.7.12"
_SERVER_HEADERS: Final = {"X-Influxdb-Version": SERVER_VERSION, "X-Influxdb-Build": "OSS"}
_JSON: Final = "application/json; charset=utf-8"
_REASONS_SHOWN: Final = 5
_HEADER_LENGTH: Final = 256
_NOT_IN_HEADERS: Final = re.compile(r"[^\x20-\x7e]")
_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422

_V2_CODES: Final = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    408: "request timeout",
    409: "conflict",
    413: "request too large",
    422: "unprocessable entity",
    429: "too many requests",
    503: "unavailable",
}


def no_content() -> Response:
    return Response(status_code=204, headers=_SERVER_HEADERS)


def v1_error(status: int, text: str) -> Response:
    headers = {**_SERVER_HEADERS, "X-Influxdb-Error": _NOT_IN_HEADERS.sub(" ", text)[:_HEADER_LENGTH]}
    return Response(orjson.dumps({"error": text}), status, headers, media_type=_JSON)


def v2_error(status: int, text: str) -> Response:
    code = _V2_CODES.get(status, "internal error")
    headers = {**_SERVER_HEADERS, "X-Platform-Error-Code": code}
    return Response(orjson.dumps({"code": code, "message": text}), status, headers, media_type=_JSON)


def v1_written(parsed: ParsedLines, refused: RefusedPoints | None = None) -> Response:
    text = _left_out(parsed, refused)
    return v1_error(_BAD_REQUEST, text) if text else no_content()


def v2_written(parsed: ParsedLines, refused: RefusedPoints | None = None) -> Response:
    text = _left_out(parsed, refused)
    if not text:
        return no_content()
    is_malformed = Fault.MALFORMED in parsed.faults
    return v2_error(_BAD_REQUEST if is_malformed else _UNPROCESSABLE, text)


def _left_out(parsed: ParsedLines, refused: RefusedPoints | None) -> str:
    texts = [rejection_text(parsed)] if parsed.rejections else []
    if refused is not None:
        texts.append(refusal_text(refused))
    return "; ".join(texts)


def refusal_text(refused: RefusedPoints) -> str:
    """InfluxDB's words for a database with too many series, and which series and limits they were."""
    return f"partial write: max-series-per-database limit exceeded: dropped={refused.points}: {refused.text()}"


def rejection_text(parsed: ParsedLines) -> str:
    """Names the first lines by number, text and reason. Agents look for `partial write`, `unable to parse` and
    `points beyond retention policy`."""
    more = parsed.rejections - _REASONS_SHOWN
    shown = "; ".join(map(_reason, parsed.rejected[:_REASONS_SHOWN])) + (f"; and {more} more" if more > 0 else "")
    counts = f"dropped={parsed.rejections}"
    if Fault.MALFORMED in parsed.faults:
        return f"partial write: {shown} {counts} written={parsed.accepted}"
    return f"partial write: points beyond retention policy {counts} written={parsed.accepted}: {shown}"


def _reason(line: RejectedLine) -> str:
    if line.fault is Fault.MALFORMED:
        return f"line {line.number}: unable to parse '{line.beginning}': {line.reason}"
    return f"line {line.number}: {line.reason}"
