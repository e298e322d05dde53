"""The part of Prometheus' HTTP API that dashboards and promtool ask, with its own forms and errors."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response

from strata_api.deps import Access, requires_of_key
from strata_api.prometheus_form import PrometheusRoute, Sent, sent, shown_answer, succeeded
from strata_core.promql.errors import PromqlRequestError
from strata_core.promql.listings import labels_listed, selected, series_listed, values_listed
from strata_core.promql.queries import PromqlDeps, instant_answer, range_answer
from strata_core.promql.syntax import Matcher
from strata_datamodel.limits import PROMQL_TIMEOUT_S

router = APIRouter(
    prefix="/prometheus/api/v1", tags=["prometheus"], route_class=PrometheusRoute, include_in_schema=False
)
_BOTH: Final = ["GET", "POST"]
Reader = Annotated[Access, requires_of_key("metrics:read", is_slow=True)]
Parameters = Annotated[Sent, Depends(sent)]


def query(asked: Parameters, access: Reader) -> Response:
    at_ms = asked.instant_ms("time", access.deps.clock.now_ns() // 1_000_000)
    answer = instant_answer(access.ctx, _deps(access), asked.one("query"), at_ms, _timeout_s(asked))
    return shown_answer(answer, is_range=False)


def query_range(asked: Parameters, access: Reader) -> Response:
    span = (asked.instant_ms("start"), asked.instant_ms("end"), asked.length_ms("step"))
    answer = range_answer(access.ctx, _deps(access), asked.one("query"), span, _timeout_s(asked))
    return shown_answer(answer, is_range=True)


def series(asked: Parameters, access: Reader) -> Response:
    selectors = _selectors(asked)
    if not selectors:
        raise PromqlRequestError("no match[] parameter provided")
    with access.unit() as uow:
        listed = series_listed(access.ctx, uow, selectors)
    return succeeded([dict(labels) for labels in asked.limited(listed)])


def labels(asked: Parameters, access: Reader) -> Response:
    selectors = _selectors(asked)
    with access.unit() as uow:
        listed = labels_listed(access.ctx, uow, selectors)
    return succeeded(asked.limited(listed))


@router.get("/label/{name}/values", operation_id="prometheus_label_values")
def label_values(name: str, asked: Parameters, access: Reader) -> Response:
    selectors = _selectors(asked)
    with access.unit() as uow:
        listed = values_listed(access.ctx, uow, name, selectors)
    return succeeded(asked.limited(listed))


@router.get("/metadata", operation_id="prometheus_metadata")
def metadata(access: Reader) -> Response:
    """None is kept of what senders say of types and units."""
    return succeeded({})


@router.get("/status/buildinfo", operation_id="prometheus_buildinfo")
def buildinfo(access: Reader) -> Response:
    """Whoever asks wants to know what the language can do: it is that of this version, but for what the guide lists."""
    return succeeded({"version": "2.42.0", "application": "strata", "branch": "", "revision": access.deps.version})


for _name, _handler in (("query", query), ("query_range", query_range), ("series", series), ("labels", labels)):
    for _method in _BOTH:
        router.add_api_route(
            f"/{_name}", _handler, methods=[_method], operation_id=f"prometheus_{_name}_{_method.lower()}"
        )


def _deps(access: Access) -> PromqlDeps:
    deps = access.deps
    return PromqlDeps(access.unit, deps.metric_store, deps.tier_states, deps.clock)


def _timeout_s(asked: Sent) -> float:
    if not asked.one("timeout"):
        return PROMQL_TIMEOUT_S
    length_ms = asked.length_ms("timeout")
    return length_ms / 1_000


def _selectors(asked: Sent) -> list[tuple[Matcher, ...]]:
    return [selected(each) for each in asked.every("match[]")]
