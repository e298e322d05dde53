"""What went wrong, in Prometheus' form."""

import json

import pytest
from starlette.requests import Request

from strata_api.prometheus_form import Sent, refused
from strata_core.promql.errors import PromqlParseError, PromqlRequestError, PromqlUnsupportedError
from strata_datamodel.errors import DeadlineError, LimitError, StoreRefusedError, StoreUnavailableError


def request() -> Request:
    return Request({"type": "http", "path": "/prometheus/api/v1/query", "headers": [], "state": {}})


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (PromqlParseError("1 +", 3, "unexpected end of input"), 400, "bad_data"),
        (PromqlUnsupportedError("function holt_winters"), 422, "execution"),
        (LimitError("more than 5 samples", code="query_points"), 422, "execution"),
        (LimitError("too many at once", code="too_many_at_once", retry_after_s=1), 429, "execution"),
        (DeadlineError("too slow"), 503, "timeout"),
        (StoreUnavailableError("metrics", "is down"), 503, "unavailable"),
        (StoreRefusedError("metrics", "said no"), 500, "execution"),
    ],
)
def test_each_kind_of_error_has_prometheus_type_and_status(error, status, kind):
    answer = refused(error, request())
    told = json.loads(bytes(answer.body))
    assert (answer.status_code, told["status"], told["errorType"]) == (status, "error", kind)
    assert told["error"].startswith(error.detail)
    assert ("retry-after" in answer.headers) == (error.retry_after_s is not None)


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [("1.5", 1_500), ("-2", -2_000), ("1970-01-01T00:00:01.25Z", 1_250), ("1970-01-01T01:00:00+01:00", 0)],
)
def test_instants_are_seconds_or_rfc_3339(text, time_ms):
    assert Sent({"time": [text]}).instant_ms("time") == time_ms


@pytest.mark.parametrize("text", ["", "now", "nan", "1e300", "1_0", "2026-13-01T00:00:00Z", "T"])
def test_what_is_no_instant_is_refused_by_name(text):
    with pytest.raises(PromqlRequestError, match='"start"'):
        Sent({"start": [text]}).instant_ms("start")


@pytest.mark.parametrize(("text", "length_ms"), [("15", 15_000), ("0.5", 500), ("1m30s", 90_000), ("-1", -1_000)])
def test_steps_are_seconds_or_durations(text, length_ms):
    assert Sent({"step": [text]}).length_ms("step") == length_ms
