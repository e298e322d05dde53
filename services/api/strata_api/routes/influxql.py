"""InfluxQL, where clients of InfluxDB 1.x and Grafana look for it. The organization is that of the key."""

import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from strata_api.deps import Access, requires_of_key
from strata_api.errors import problem_of
from strata_core.influxql.answers import CHUNK_ROWS, Form, error_body, written
from strata_core.influxql.queries import Result, Sources, influxql_asked, worded
from strata_core.influxql.refusals import ParseError
from strata_datamodel.errors import LimitError, StrataError

_FORM: Final = "application/x-www-form-urlencoded"
_NOT_IN_HEADERS: Final = re.compile(r"[^\x20-\x7e]")
_HEADER_LENGTH: Final = 1_024
_NAMES: Final = ("q", "db", "epoch", "params", "chunked", "chunk_size", "pretty")
_CSV_TYPES: Final = ("application/csv", "text/csv")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class InfluxRoute(APIRoute):
    """Takes `u` and `p` of the address for a credential, and refuses as InfluxDB does: clients look for `error`."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(_with_credential(request))
            except StrataError as error:
                return _refusal(error, request)

        return answered


router = APIRouter(tags=["influxql"], route_class=InfluxRoute)


def _with_credential(request: Request) -> Request:
    """Addresses end up in logs, so our own API takes no key from there; InfluxDB's clients put it nowhere else."""
    key = request.query_params.get("p")
    if not key or "authorization" in request.headers or not key.isascii():
        return request
    headers = [*request.scope["headers"], (b"authorization", b"Token " + key.encode())]
    return Request({**request.scope, "headers": headers}, request.receive)


def _refusal(error: StrataError, request: Request) -> Response:
    problem = problem_of(error, request.scope)
    # Challenges and the time to wait are HTTP's own, and as everywhere.
    kept = {name: value for name, value in problem.headers.items() if name in {"retry-after", "www-authenticate"}}
    return _refused(worded(error), problem.status_code, kept)


def _refused(message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    shown = _NOT_IN_HEADERS.sub(" ", message)[:_HEADER_LENGTH]
    return Response(error_body(message), status, {**(headers or {}), "x-influxdb-error": shown}, "application/json")


async def _sent(request: Request) -> Mapping[str, str]:
    """A form's values come before the address's."""
    sent = {name: request.query_params.get(name, "") for name in _NAMES}
    if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0].strip() == _FORM:
        form = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        sent |= {name: values[0] for name, values in form.items() if name in sent}
    return sent


def _query(
    sent: Annotated[Mapping[str, str], Depends(_sent)],
    access: Annotated[Access, requires_of_key("metrics:read", is_slow=True)],
    request: Request,
) -> Response:
    text = sent["q"].strip()
    if not text:
        return _refused('missing required parameter "q"', 400)
    deps = access.deps
    sources = Sources(access.unit, deps.metric_store, deps.metric_store, deps.tier_states, deps.clock)
    database = sent["db"] or access.organization.slug
    try:
        results = influxql_asked(access.ctx, sources, text, database, _parameters(sent["params"]))
    except (ParseError, LimitError) as error:
        return _refused(f"error parsing query: {worded(error)}", 400)
    return _answer(results, _form(sent, request))


def _answer(results: Iterator[Result], form: Form) -> Response:
    """In pieces where they were asked for, once there is a first: what fails before is told by the status."""
    media_type = "text/csv" if form.is_csv else "application/json"
    pieces = written(results, form)
    if form.chunk_rows is not None and not form.is_csv:
        return StreamingResponse(chain([next(pieces, b"")], pieces), media_type=media_type)
    return Response(b"".join(pieces), media_type=media_type)


def _parameters(text: str) -> dict[str, object]:
    try:
        found = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        raise ParseError(f"the parameters are not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ParseError("the parameters are not an object")
    return found


def _form(sent: Mapping[str, str], request: Request) -> Form:
    size = sent["chunk_size"]
    rows = int(size) if size.isascii() and size.isdigit() and 0 < len(size) < 9 and int(size) else CHUNK_ROWS
    accepted = request.headers.get("accept", "")
    return Form(
        epoch=sent["epoch"].strip(),
        is_pretty=sent["pretty"] == "true",
        is_csv=any(accepted.startswith(each) for each in _CSV_TYPES),
        chunk_rows=rows if sent["chunked"] == "true" else None,
    )


for _path, _name in (("/influxdb/query", "influxql"), ("/query", "influxql_v1")):
    for _method in ("GET", "POST"):
        router.add_api_route(
            _path,
            _query,
            methods=[_method],
            operation_id=f"{_name}_{_method.lower()}",
            include_in_schema=False,
        )
