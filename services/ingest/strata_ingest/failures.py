"""Every failure becomes an answer in the form of the protocol that was spoken, here and nowhere else."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import orjson
import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from strata_datamodel.errors import ErrorKind, StrataError
from strata_ingest.admission import refused_by
from strata_ingest.elastic_answers import elastic_error
from strata_ingest.influx_answers import v1_error, v2_error
from strata_ingest.json_answers import JSON_PATHS, json_error, json_problem
from strata_ingest.otlp_answers import OTLP_PATHS, otlp_error
from strata_ingest.remote_write_answers import REMOTE_WRITE_PATHS, remote_write_error

_log = structlog.get_logger(__name__)

CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="strata"'}
_STATUS: Final = {
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.DENIED: 403,
    ErrorKind.INVALID: 400,
    ErrorKind.PRECONDITION: 412,
    ErrorKind.PRECONDITION_MISSING: 428,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.LIMIT: 429,
    ErrorKind.UNAVAILABLE: 503,
    # The one deadline at this edge is the client's: its body did not come.
    ErrorKind.TIMEOUT: 408,
}
# InfluxDB 1.x never says 429, and what was made for it may not know it. Prometheus drops what any 4xx answers,
# and OpenTelemetry what any but 429 does.
_PUT_OFF: Final[dict[str, tuple[int, ...]]] = {"influx_v1": (429,), "remote_write": (408, 429), "otlp": (408,)}
_DEFAULT_RETRY_S: Final = 5

Form = Callable[[Request, int, str], Response]
_PROTOCOLS: Final[dict[str, str]] = {
    **dict.fromkeys(REMOTE_WRITE_PATHS, "remote_write"),
    **dict.fromkeys(OTLP_PATHS, "otlp"),
    **dict.fromkeys(JSON_PATHS, "json"),
    **dict.fromkeys(("/write", "/query", "/ping", "/health", "/ready"), "influx_v1"),
    **dict.fromkeys(("/healthz", "/readyz", "/metrics"), "operations"),
}


def protocol_of(path: str) -> str:
    return "influx_v2" if path.startswith("/api/v2/") else _PROTOCOLS.get(path, "elastic")


def _plain_problem(_request: Request, status: int, text: str) -> Response:
    return Response(orjson.dumps({"status": status, "detail": text}), status, media_type="application/problem+json")


_FORMS: Final[dict[str, Form]] = {
    "influx_v1": lambda _request, status, text: v1_error(status, text),
    "influx_v2": lambda _request, status, text: v2_error(status, text),
    "remote_write": remote_write_error,
    "otlp": otlp_error,
    "json": lambda _request, status, text: json_error(status, text),
    "elastic": elastic_error,
    "operations": _plain_problem,
}


def failure(request: Request, status: int, text: str) -> Response:
    return _FORMS[protocol_of(request.url.path)](request, status, text)


def answer_to(request: Request, error: StrataError) -> Response:
    status = _STATUS[error.kind]
    if status in _PUT_OFF.get(protocol_of(request.url.path), ()):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    text = error.detail if error.hint is None else f"{error.detail}: {error.hint}"
    is_json = protocol_of(request.url.path) == "json"
    response = json_problem(status, error) if is_json else failure(request, status, text)
    if error.kind is ErrorKind.UNAUTHENTICATED:
        response.headers.update(CHALLENGE)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        response.headers["Retry-After"] = str(error.retry_after_s or _DEFAULT_RETRY_S)
    if (rate := refused_by(request)) is not None:
        response.headers["RateLimit-Policy"], response.headers["RateLimit"] = rate.policy, rate.limit
    return response


def add_failure_handlers(app: FastAPI) -> None:
    async def on_strata_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, StrataError)  # noqa: S101 - registered for this class
        return answer_to(request, error)

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        response = failure(request, error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    async def on_hang_up(request: Request, _error: Exception) -> Response:
        # Nobody reads this answer; a body that did not arrive whole is never stored.
        return failure(request, 400, "the body was cut")

    async def on_bug(request: Request, error: Exception) -> Response:
        _log.error("ingest_failed", path=request.url.path, exc_info=error)
        return failure(request, 500, "internal error")

    app.add_exception_handler(StrataError, on_strata_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(ClientDisconnect, on_hang_up)
    app.add_exception_handler(Exception, on_bug)
