"""Answers to those who send metrics as JSON: problem details (RFC 9457), with a pointer to each row refused."""

from typing import Final

import orjson
from starlette.responses import Response

from strata_datamodel.errors import StrataError
from strata_datamodel.refused_series import RefusedPoints, shown
from strata_wire.json_rows import ParsedRows

JSON_PATHS: Final = frozenset({"/api/v1/metrics", "/collectd"})

_PROBLEM: Final = "application/problem+json"
_BAD_REQUEST: Final = 400
_SERIES_NAMED: Final = 100


def json_error(status: int, text: str) -> Response:
    return _problem(status, {"detail": text})


def json_problem(status: int, error: StrataError) -> Response:
    content: dict[str, object] = {"code": error.code, "detail": error.detail}
    if error.hint is not None:
        content["hint"] = error.hint
    return _problem(status, content)


def rows_written(parsed: ParsedRows, refused: RefusedPoints | None) -> Response:
    """200 says what was kept and what was not, and why; when nothing was kept, 400 does."""
    problems = [{"pointer": row.where, "code": row.fault, "detail": row.reason} for row in parsed.rejected]
    if refused is not None:
        problems += [
            {"series": shown(each.series), "code": each.limit, "detail": each.reason}
            for each in refused.series[:_SERIES_NAMED]
        ]
    counts = {
        "points": len(parsed.batch),
        "rejected_metrics": parsed.rejections,
        "refused_points": 0 if refused is None else refused.points,
    }
    if problems and not len(parsed.batch):
        content = {"code": "nothing_written", "detail": "nothing of the request was kept"}
        return _problem(_BAD_REQUEST, {**content, **counts, "problems": problems})
    return Response(orjson.dumps({**counts, "problems": problems}), media_type="application/json")


def _problem(status: int, content: dict[str, object]) -> Response:
    whole = {"type": "about:blank", "status": status, **content}
    return Response(orjson.dumps(whole), status, media_type=_PROBLEM)
