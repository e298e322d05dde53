"""How Prometheus' API is asked and how it answers, errors included."""

import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import numpy as np
import orjson
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from strata_api.errors import problem_of, status_of
from strata_core.instants import instant_ns
from strata_core.promql.errors import PromqlRequestError
from strata_core.promql.lexer import duration_ms
from strata_core.promql.matrix import Floats, Instants, Labels, Matrix
from strata_core.promql.numerals import go_shortest
from strata_core.promql.queries import PromqlAnswer
from strata_core.promql.samples import Samples
from strata_datamodel.errors import ErrorKind, StrataError

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_PARAMETERS: Final = 1_000
_FARTHEST_S: Final = 2.0**63 / 1e9
# Type and status, as Prometheus tells them apart: whoever asks may branch on them.
_BY_CODE: Final = {
    "promql_parse": ("bad_data", 400),
    "promql_request": ("bad_data", 400),
    "promql_execution": ("execution", 422),
    "promql_unsupported": ("execution", 422),
    "bad_regex": ("bad_data", 400),
}
_BY_KIND: Final[Mapping[ErrorKind, tuple[str, int]]] = {
    ErrorKind.LIMIT: ("execution", 422),
    ErrorKind.TIMEOUT: ("timeout", 503),
    ErrorKind.UNAVAILABLE: ("unavailable", 503),
    ErrorKind.UNAUTHENTICATED: ("unauthorized", 401),
    ErrorKind.DENIED: ("forbidden", 403),
}


class PrometheusRoute(APIRoute):
    """Its errors are in Prometheus' form, whoever raises them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except StrataError as error:
                return refused(error, request)
            except (RequestValidationError, HTTPException) as error:
                return _error("bad_data", f"the request cannot be read: {error}", 400)

        return handled


def refused(error: StrataError, request: Request) -> Response:
    kind, status = _BY_CODE.get(error.code) or _BY_KIND.get(error.kind) or ("execution", status_of(error))
    told = error.detail if error.hint is None else f"{error.detail} ({error.hint})"
    # Challenges and the time to wait are HTTP's own, and as everywhere.
    headers = problem_of(error, request.scope).headers
    kept = {name: headers[name] for name in ("retry-after", "www-authenticate") if name in headers}
    if error.kind is ErrorKind.LIMIT and error.retry_after_s is not None:
        status = 429
    return _error(kind, told, status, kept)


@dataclass(frozen=True, slots=True)
class Sent:
    """Parameters of the address and of a form. Of one that comes several times, the first counts but where all do."""

    values: Mapping[str, list[str]]

    def one(self, name: str) -> str:
        found = self.values.get(name)
        return found[0] if found else ""

    def every(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def instant_ms(self, name: str, otherwise_ms: int | None = None) -> int:
        text = self.one(name)
        if not text and otherwise_ms is not None:
            return otherwise_ms
        return _instant_ms(name, text)

    def length_ms(self, name: str) -> int:
        """Seconds, or a duration."""
        text = self.one(name)
        seconds = _number(text)
        length = duration_ms(text) if seconds is None else math.trunc(seconds * 1_000)
        if length is None:
            raise PromqlRequestError(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration')
        return length

    def limited(self, found: list[Any]) -> list[Any]:
        """As `limit` has it; without one, or with 0, all."""
        text = self.one("limit")
        if not text:
            return found
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise PromqlRequestError('invalid parameter "limit": expected a whole number')
        return found[: int(text)] if int(text) else found


async def sent(request: Request) -> Sent:
    """Raises PromqlRequestError."""
    pairs = _pairs(request.scope["query_string"])
    if request.method == "POST" and request.headers.get("content-type", _FORM).partition(";")[0].strip() == _FORM:
        # What the form says comes first.
        pairs = _pairs(await request.body()) + pairs
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return Sent(values)


def succeeded(data: object, warnings: tuple[str, ...] = ()) -> Response:
    content: dict[str, object] = {"status": "success", "data": data}
    if warnings:
        content["warnings"] = warnings
    return Response(orjson.dumps(content), media_type=_JSON)


def shown_answer(answer: PromqlAnswer, *, is_range: bool) -> Response:
    kind, result = _result(answer, is_range=is_range)
    return succeeded({"resultType": kind, "result": result}, answer.warnings)


def _result(answer: PromqlAnswer, *, is_range: bool) -> tuple[str, object]:
    value, steps = answer.value, answer.steps
    match value:
        case str():
            return "string", [_seconds(steps)[0], value]
        case Samples():
            return "matrix", _of_samples(value)
        case Matrix() if is_range:
            return "matrix", _of_range(value, steps)
        case Matrix():
            at = _seconds(steps)[0]
            return "vector", [
                {"metric": dict(labels), "value": [at, go_shortest(number)]}
                for labels, number in zip(value.labels, value.values[:, 0].tolist(), strict=True)
            ]
        case _:
            points = _points(steps, value)
            return ("matrix", [{"metric": {}, "values": points}]) if is_range else ("scalar", points[0])


def _of_range(matrix: Matrix, steps: Instants) -> list[object]:
    found: list[tuple[Labels, object]] = []
    for labels, values, present in zip(matrix.labels, matrix.values, matrix.present, strict=True):
        some = slice(None) if present.all() else present
        found.append((labels, _series(labels, steps[some], values[some])))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _of_samples(samples: Samples) -> list[object]:
    found = []
    for row, labels in enumerate(samples.labels):
        begin, end = samples.starts[row], samples.starts[row + 1]
        if begin < end:
            found.append((labels, _series(labels, samples.times[begin:end], samples.values[begin:end])))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _series(labels: Labels, times: Instants, values: Floats) -> dict[str, object]:
    """Its points as bytes at once: as objects, those of all series would take ten times the answer."""
    return {"metric": dict(labels), "values": orjson.Fragment(orjson.dumps(_points(times, values)))}


def _points(times: Instants, values: Floats) -> list[tuple[float, str]]:
    return list(zip(_seconds(times), map(go_shortest, values.tolist()), strict=True))


def _seconds(times: Instants) -> list[float]:
    seconds: list[float] = np.divide(times, 1_000).tolist()
    return seconds


def _error(kind: str, told: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    content = orjson.dumps({"status": "error", "errorType": kind, "error": told})
    return Response(content, status, headers, media_type=_JSON)


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS, separator="&"
        )
    except ValueError:
        raise PromqlRequestError("the parameters cannot be read") from None


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) and "_" not in text and abs(found) < _FARTHEST_S else None


def _instant_ms(name: str, text: str) -> int:
    seconds = _number(text)
    if seconds is not None:
        return round(seconds * 1_000)
    try:
        if "T" in text:
            return instant_ns(text, now_ns=0, where=name) // 1_000_000
    except StrataError:
        pass
    raise PromqlRequestError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')
