"""Answers in the form of OTLP over HTTP, in the encoding that the request came in."""

from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strata_datamodel.refused_series import RefusedPoints
from strata_datamodel.spooling import WireFormat
from strata_wire.otlp_metrics import ParsedMetrics

OTLP_PATHS: Final = frozenset({"/v1/metrics"})

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_FORMATS: Final = {_PROTOBUF: WireFormat.OTLP_METRICS_PROTOBUF, _JSON: WireFormat.OTLP_METRICS_JSON}
_UNSUPPORTED: Final = 415
_NAMED: Final = 5

# google.rpc.Code of each status; UNKNOWN for others.
_CODES: Final = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    405: 12,
    413: 3,
    415: 3,
    429: 8,
    500: 13,
    503: 14,
}
_UNKNOWN: Final = 2


def format_of(request: Request) -> WireFormat | Response:
    """Or why the request cannot be read."""
    media_type = _media_type(request)
    if (wire_format := _FORMATS.get(media_type)) is not None:
        return wire_format
    text = f"content type {media_type[:100]!r} is not accepted, only {_PROTOBUF} and {_JSON} are"
    return otlp_error(request, _UNSUPPORTED, text)


def otlp_error(request: Request, status: int, text: str) -> Response:
    """A google.rpc.Status."""
    code = _CODES.get(status, _UNKNOWN)
    if _media_type(request) != _PROTOBUF:
        return Response(orjson.dumps({"code": code, "message": text}), status, media_type=_JSON)
    return Response(_number(1, code) + _bytes(2, text.encode()), status, media_type=_PROTOBUF)


def exported(wire_format: WireFormat, parsed: ParsedMetrics, refused: RefusedPoints | None) -> Response:
    """An ExportMetricsServiceResponse. What it says was refused, nobody sends again."""
    count = parsed.rejections + (0 if refused is None else min(refused.points, parsed.accepted))
    text = _what_is_left_out(parsed, refused)
    if wire_format is WireFormat.OTLP_METRICS_JSON:
        answer = {"partialSuccess": {"rejectedDataPoints": str(count), "errorMessage": text}} if count else {}
        return Response(orjson.dumps(answer), media_type=_JSON)
    content = _bytes(1, _number(1, count) + _bytes(2, text.encode())) if count else b""
    return Response(content, media_type=_PROTOBUF)


def _what_is_left_out(parsed: ParsedMetrics, refused: RefusedPoints | None) -> str:
    parts = [f"metric {each.metric!r}, data point {each.number}: {each.reason}" for each in parsed.rejected[:_NAMED]]
    if (more := parsed.rejections - len(parts)) > 0:
        parts.append(f"and {more} more")
    if refused is not None:
        parts.append(refused.text())
    return "; ".join(parts)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _number(field: int, value: int) -> bytes:
    return bytes([field << 3]) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
