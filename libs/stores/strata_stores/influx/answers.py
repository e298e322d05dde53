"""What InfluxDB answers to InfluxQL, and what its refusals mean."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from strata_datamodel.errors import DeadlineError, InvalidError, LimitError, StoreUnavailableError, StrataError
from strata_stores.influx.transport import STORE

_TIME_OUTS: Final = ("query-timeout", "query timeout", "timeout", "query interrupted")


@dataclass(frozen=True, slots=True)
class ResultSeries:
    """Part of a series of the answer to one statement: long ones come in several."""

    statement: int
    name: str
    tags: Mapping[str, str]
    columns: Sequence[str]
    values: Sequence[Sequence[Any]]


def result_series(lines: Iterable[bytes], statements: int) -> Iterator[ResultSeries]:
    """Raises StoreUnavailableError unless every statement was answered in full: an answer may be cut short by a
    limit of the store or by a proxy, and still be 200 and well-formed JSON."""
    unfinished = set(range(statements))
    for line in lines:
        for result in _results(line):
            if "error" in result:
                raise query_error(str(result["error"]))
            statement = int(result.get("statement_id", 0))
            is_partial = bool(result.get("partial"))
            for series in result.get("series", ()):
                is_partial |= bool(series.get("partial"))
                yield ResultSeries(
                    statement,
                    series.get("name", ""),
                    series.get("tags") or {},
                    series["columns"],
                    series.get("values", ()),
                )
            (unfinished.add if is_partial else unfinished.discard)(statement)
    if unfinished:
        raise StoreUnavailableError(STORE, "the answer is incomplete")


def query_error(text: str) -> StrataError:
    lowered = text.lower()
    if "regexp" in lowered or "regex" in lowered:
        return InvalidError(f"not a regex: {text}", code="bad_regex", hint="patterns are RE2 syntax")
    if "max-select-series" in lowered:
        return LimitError(f"the metric store refuses to look at so many series: {text}", code="query_series")
    if "max-select-" in lowered:
        return LimitError(f"the metric store refuses to look at so many points: {text}", code="query_points")
    if any(sign in lowered for sign in _TIME_OUTS):
        return DeadlineError(f"the metric store gave up: {text}", hint="ask for a shorter range or fewer series")
    return StoreUnavailableError(STORE, f"could not answer: {text[:500]}")


def _results(line: bytes) -> list[dict[str, Any]]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StoreUnavailableError(STORE, "the answer is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("results", []), list):
        raise StoreUnavailableError(STORE, "the answer has another shape than InfluxDB's")
    if "error" in document:
        raise query_error(str(document["error"]))
    results: list[dict[str, Any]] = document.get("results", [])
    return results
