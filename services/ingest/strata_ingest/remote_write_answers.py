"""What is said to senders of Prometheus remote write, and what they say of their bodies."""

from enum import StrEnum
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from strata_datamodel.metrics import PointBatch
from strata_datamodel.refused_series import RefusedPoints
from strata_datamodel.spooling import WireFormat
from strata_wire.decompression import SNAPPY
from strata_wire.label_sets import VALUE
from strata_wire.native_histograms import COUNT
from strata_wire.remote_write import ParsedSamples

REMOTE_WRITE_PATHS: Final = frozenset({"/api/v1/write", "/api/v1/push"})

_MEDIA_TYPE: Final = "application/x-protobuf"
_UNSUPPORTED: Final = 415
_NO_CONTENT: Final = 204
_BAD_REQUEST: Final = 400
_SAMPLES_SHOWN: Final = 5


class Message(StrEnum):
    """What the `proto` of a Content-Type names."""

    VERSION_1 = "prometheus.WriteRequest"
    VERSION_2 = "io.prometheus.write.v2.Request"


_FORMATS: Final = {Message.VERSION_1: WireFormat.REMOTE_WRITE_1, Message.VERSION_2: WireFormat.REMOTE_WRITE_2}


def format_of(request: Request) -> WireFormat | Response:
    """Or why the request cannot be read. As Prometheus' own receiver judges: old senders leave both headers out."""
    media_type, *parameters = request.headers.get("content-type", _MEDIA_TYPE).split(";")
    if media_type.strip().lower() not in ("", _MEDIA_TYPE):
        return _unsupported(request, f"expected {_MEDIA_TYPE}, got {media_type.strip()[:100]!r}")
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", SNAPPY):
        return _unsupported(request, f"encoding {coding[:100]!r} is not accepted, only {SNAPPY} is")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "proto":
            message = value.strip('"')
            if message not in set(Message):
                return _unsupported(request, f"message {message[:100]!r} is not accepted, only {' and '.join(Message)}")
            return _FORMATS[Message(message)]
    return WireFormat.REMOTE_WRITE_1


def remote_write_error(request: Request, status: int, text: str) -> Response:
    """Nothing of the request was written."""
    is_version_2 = Message.VERSION_2 in request.headers.get("content-type", "")
    return _answer(status, text, _counts(0, 0) if is_version_2 else {})


def written(wire_format: WireFormat, parsed: ParsedSamples, refused: RefusedPoints | None) -> Response:
    """204 only when all of it is durable. What is refused would be refused again: 400, which nobody repeats, whatever
    else of the request was kept."""
    samples, histograms = (parsed.samples, parsed.histograms) if refused is None else _counted(parsed.batch)
    headers = _counts(samples, histograms) if wire_format is WireFormat.REMOTE_WRITE_2 else {}
    text = _what_is_left_out(parsed, refused)
    if not text:
        return Response(status_code=_NO_CONTENT, headers=headers)
    return _answer(_BAD_REQUEST, f"{text}; written: {samples + histograms}", headers)


def _what_is_left_out(parsed: ParsedSamples, refused: RefusedPoints | None) -> str:
    parts = [f"{sample.labels}: {sample.reason}" for sample in parsed.rejected[:_SAMPLES_SHOWN]]
    if (more := parsed.rejections - len(parts)) > 0 and parts:
        parts.append(f"and {more} more")
    if refused is not None:
        parts.append(refused.text())
    return "; ".join(parts)


def _counts(samples: int, histograms: int) -> dict[str, str]:
    """Without these a sender of version 2 takes a success for a receiver that does not know the version."""
    counts = {"Samples": samples, "Histograms": histograms, "Exemplars": 0}
    return {f"X-Prometheus-Remote-Write-{kind}-Written": str(count) for kind, count in counts.items()}


def _answer(status: int, text: str, headers: dict[str, str]) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers)


def _counted(batch: PointBatch) -> tuple[int, int]:
    """Samples and histograms of which the points are."""
    fields = [batch.series[place].field for place in batch.series_index.tolist()]
    return fields.count(VALUE), fields.count(COUNT)


def _unsupported(request: Request, text: str) -> Response:
    return remote_write_error(request, _UNSUPPORTED, text)
