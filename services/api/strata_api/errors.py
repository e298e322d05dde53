"""The one place where what went wrong becomes HTTP: RFC 9457 problems with stable codes."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from strata_api.schemas import ALTERNATIVES
from strata_datamodel.errors import ErrorKind, Problem, StrataError, UnauthenticatedError

PROBLEM_TYPE: Final = "application/problem+json"

_STATUS: Final[Mapping[ErrorKind, int]] = {
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.DENIED: 403,
    ErrorKind.INVALID: 422,
    ErrorKind.PRECONDITION: 412,
    ErrorKind.PRECONDITION_MISSING: 428,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.LIMIT: 422,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.TIMEOUT: 504,
}
# Where HTTP draws finer lines than the kinds do.
_STATUS_BY_CODE: Final[Mapping[str, int]] = {
    "bad_compression": 400,
    "organization_deleting": 410,
    "organization_provisioning": 409,
    "store_refused": 500,  # what we asked of it was wrong, and no caller can help that
    "body_timeout": 408,
    "caller_left": 408,  # nobody reads it; it is not our failure, and is not counted as one
    "malformed_body": 400,
    "unsupported_encoding": 415,
}
_CODE_BY_STATUS: Final[Mapping[int, str]] = {
    400: "malformed_request",
    404: "route_not_found",
    405: "method_not_allowed",
    413: "too_large",
}

log = structlog.get_logger("strata_api.errors")


class MalformedBodyError(StrataError):
    code = "malformed_body"


def status_of(error: StrataError) -> int:
    if error.kind is ErrorKind.LIMIT and error.retry_after_s is not None:
        return HTTPStatus.TOO_MANY_REQUESTS
    return _STATUS_BY_CODE.get(error.code) or _STATUS[error.kind]


def problem_of(error: StrataError, scope: Scope) -> JSONResponse:
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, UnauthenticatedError):
        headers["www-authenticate"] = _challenge(scope)
    status = status_of(error)
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
        headers["connection"] = "close"  # the rest of the body is not worth reading
    return _problem(scope, status, error.code, error.detail, hint=error.hint, problems=error.problems, headers=headers)


def internal_problem(scope: Scope) -> JSONResponse:
    return _problem(scope, 500, "internal_error", "something went wrong here; the request id finds it in the logs")


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(StrataError, _on_strata_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_strata_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, StrataError):
        raise error
    if error.kind is ErrorKind.UNAVAILABLE:
        log.warning("request_refused", code=error.code, detail=error.detail)
    return problem_of(error, request.scope)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem_of(MalformedBodyError("the body is not JSON"), request.scope)
    problems = [Problem(where=_where(item["loc"]), detail=str(item["msg"])) for item in found]
    return _problem(request.scope, 422, "validation_failed", "the request is not valid", problems=problems)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses by itself: unknown paths, wrong methods, bodies it cannot read."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return problem_of(MalformedBodyError("the body cannot be read"), request.scope)
    code = _CODE_BY_STATUS.get(error.status_code, "http_error")
    detail = "there is nothing at this path" if error.status_code == HTTPStatus.NOT_FOUND else str(error.detail)
    return _problem(request.scope, error.status_code, code, detail, headers=error.headers)


def _where(location: Sequence[object]) -> str:
    """A JSON pointer into the body, or `query/limit` for what stands elsewhere."""
    if not location or location[0] != "body":
        return "/".join(str(part) for part in location)
    parts = [str(part) for part in location[1:] if part not in ALTERNATIVES]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _challenge(scope: Scope) -> str:
    """Agents wait for a Basic challenge before they send credentials. Scripts of a page must not get one: the browser
    would open its password window over the page. Only browsers send Sec-Fetch-Mode."""
    names = {name for name, _ in scope["headers"]}
    return 'Session realm="strata"' if b"sec-fetch-mode" in names else 'Basic realm="strata", charset="UTF-8"'


def _problem(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    *,
    hint: str | None = None,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    content: dict[str, object] = {
        "type": f"urn:strata:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": scope["path"],
        "request_id": scope.get("state", {}).get("request_id", ""),
    }
    if hint is not None:
        content["hint"] = hint
    if problems:
        content["errors"] = [{"pointer": problem.where, "detail": problem.detail} for problem in problems]
    return JSONResponse(content, status, headers, media_type=PROBLEM_TYPE)
