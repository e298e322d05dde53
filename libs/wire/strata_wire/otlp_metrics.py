"""OTLP metrics to points. A pure function of the body and its envelope: a replay gives the same points.

Every number becomes a float, so integers beyond 2^53 lose their last digits. A data point is taken whole or not at all.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import OTLP_JSON_OBJECTS_PER_REQUEST, OTLP_JSON_VALUES_PER_REQUEST
from strata_datamodel.metrics import PointBatch
from strata_datamodel.spooling import Envelope, SpoolPosition
from strata_wire.compiled.otlp_registry import OtlpRegistry
from strata_wire.compiled.otlp_walk import OddBody, OtlpWalk
from strata_wire.known_series import KnownSeries
from strata_wire.line_grammar import Fault
from strata_wire.otlp.messages import ExportRequest
from strata_wire.otlp.reading import (
    Refusals,
    RejectedPoint,
    points_in_protobuf,
    points_in_request,
    take_point,
)
from strata_wire.plain_points import PlainPoints
from strata_wire.times_kept import TimesKept

__all__ = ["ParsedMetrics", "RejectedPoint", "parse_otlp_json", "parse_otlp_protobuf"]

_REQUEST: Final = msgspec.json.Decoder(ExportRequest, strict=False)


@dataclass(frozen=True, slots=True)
class ParsedMetrics:
    """Every data point is accepted or rejected, but for those that say that there is none. `rejected` holds the first
    of them, `faults` counts all."""

    batch: PointBatch
    accepted: int
    rejected: tuple[RejectedPoint, ...]
    faults: dict[Fault, int]

    @property
    def rejections(self) -> int:
        return sum(self.faults.values())


def parse_otlp_protobuf(
    body: bytes, envelope: Envelope, source: SpoolPosition | None = None, known: KnownSeries | None = None
) -> ParsedMetrics:
    """Raises InvalidError for what is no such message, and TooLargeError for one with more than a request may carry.
    The points are the same whatever is `known`. Without it, or before it is ready, the body is read plainly."""
    times = TimesKept.of(envelope)
    if known is not None and known.is_ready:
        with known.of(envelope.organization_id, OtlpRegistry) as registry:
            refusals, walk = Refusals(), OtlpWalk(body, times, registry)
            try:
                walk.run(refusals)
            except OddBody:
                pass  # how it is to be read, or what is wrong with it, only the plain reading says
            else:
                return _parsed(walk, refusals, envelope, source)
    refusals, points = Refusals(), PlainPoints()
    for found in points_in_protobuf(body):
        take_point(found, times, points, refusals)
    return _parsed(points, refusals, envelope, source)


def parse_otlp_json(
    body: bytes, envelope: Envelope, source: SpoolPosition | None = None, known: KnownSeries | None = None
) -> ParsedMetrics:
    """Its dialect: camel case, 64-bit integers also as texts, enums as numbers, unknown fields ignored. Raises as the
    other. The points are those of the same message in protobuf."""
    refusals, points, times = Refusals(), PlainPoints(), TimesKept.of(envelope)
    for found in points_in_request(_request(body)):
        take_point(found, times, points, refusals)
    return _parsed(points, refusals, envelope, source)


def _request(body: bytes) -> ExportRequest:
    # Counted in bytes, also where they are in texts: what each costs in memory must be known before it is spent.
    objects, values = body.count(b"{"), body.count(b",")
    if objects > OTLP_JSON_OBJECTS_PER_REQUEST or values > OTLP_JSON_VALUES_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {OTLP_JSON_OBJECTS_PER_REQUEST} objects or {OTLP_JSON_VALUES_PER_REQUEST} values",
            code="otlp_json_objects_per_request",
            hint="send smaller batches, or protobuf",
        )
    try:
        return _REQUEST.decode(body)
    except msgspec.MsgspecError as error:
        raise InvalidError(f"the body is no OTLP metrics in JSON: {error}", code="bad_json") from None
    except UnicodeDecodeError:
        raise InvalidError("the body is not valid UTF-8", code="bad_json") from None
    except RecursionError:
        raise InvalidError("the body is nested too deep", code="bad_json") from None


def _parsed(
    points: OtlpWalk | PlainPoints, refusals: Refusals, envelope: Envelope, source: SpoolPosition | None
) -> ParsedMetrics:
    series, columns, texts = points.columns()
    batch = PointBatch(
        organization_id=envelope.organization_id,
        series=series,
        series_index=columns.series,
        time_ns=columns.times,
        values=columns.values,
        texts=texts,
        source=source,
    )
    return ParsedMetrics(batch, points.rows, tuple(refusals.first), refusals.faults)
