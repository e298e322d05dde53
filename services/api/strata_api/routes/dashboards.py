"""Dashboards: kept, read through the cache, and asked panel by panel."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from strata_api.cached_answers import CacheControl, ends, json_of, wants_new
from strata_api.deps import Access, requires
from strata_api.etags import is_unchanged, tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.list_queries import asked_by, documented
from strata_api.metric_questions import SegmentOut, Series
from strata_api.paging import PageQuery
from strata_api.panel_answers import panel_answer
from strata_api.routes.dashboard_forms import DashboardForm, DashboardItem, DashboardOut, Name
from strata_api.schemas import Page, Sent, Text
from strata_api.versioned import matched
from strata_core.caching.kinds import DASHBOARDS
from strata_core.caching.read_through import Answer
from strata_core.caching.read_through import Made as Kept
from strata_core.dashboards.commands import create_dashboard, delete_dashboard, replace_dashboard
from strata_core.dashboards.panel_data import PanelAsked, Planned, panel_of, panel_questions
from strata_core.dashboards.queries import DASHBOARD_LIST, dashboard, dashboard_question
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.dashboards import Dashboard
from strata_datamodel.errors import InvalidError, LimitError, StrataError
from strata_datamodel.ids import DashboardId
from strata_datamodel.limits import NAME_LENGTH, OPTIONS_PER_VARIABLE, PANEL_DATA_POINTS, TAG_VALUE_BYTES

router = APIRouter(prefix="/api/v1/orgs/{org}/dashboards", tags=["dashboards"])
_LIST: Final = "dashboards_list"
Choice = Annotated[Text, Field(max_length=TAG_VALUE_BYTES)]


class DashboardsQuery(PageQuery):
    folder: Annotated[str, Query(max_length=NAME_LENGTH)] | None = None
    tag: Annotated[str, Query(max_length=NAME_LENGTH)] | None = None
    title_prefix: Annotated[str, Query(max_length=NAME_LENGTH)] | None = None

    def conditions(self) -> dict[str, object]:
        tag = None if self.tag is None else [self.tag]
        return {"folder": self.folder, "tag": tag, "title_prefix": self.title_prefix}


class PanelDataForm(Sent):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    begin: Annotated[str, Field(max_length=64)] | int | None = Field(
        None, alias="from", description="RFC 3339, Unix milliseconds, or relative. Without it the dashboard's."
    )
    end: Annotated[str, Field(max_length=64)] | int | None = Field(
        None, alias="to", description="As `from`; exclusive."
    )
    step: str | None = Field(None, max_length=64, description="As 60s. Without it as fine as there is room for.")
    max_data_points: int | None = Field(
        None, ge=1, le=PANEL_DATA_POINTS, description="As wide as the panel, in pixels."
    )
    variables: dict[Name, Choice | Annotated[list[Choice], Field(max_length=OPTIONS_PER_VARIABLE)]] = Field(
        default_factory=dict, description="What is chosen, by name; $__all for all. Others are as they were saved."
    )


class QueryError(BaseModel):
    code: str
    detail: str
    hint: str | None = None


class QueryResult(BaseModel):
    """Of a query that cannot be asked, `error`; the others are answered all the same."""

    ref_id: str
    step: str | None = None
    series: list[Series] = Field(default_factory=list)
    segments: list[SegmentOut] = Field(default_factory=list)
    error: QueryError | None = None


class PanelData(BaseModel):
    panel_id: int
    version: int = Field(description="Of the dashboard that was asked.")
    results: list[QueryResult]


def ended(request: Request, access: Access) -> None:
    ends(request, access.ctx.organization_id, DASHBOARDS)


@router.get(
    "",
    operation_id=_LIST,
    summary="Dashboards by title, without their panels",
    response_model=Page[DashboardItem],
    openapi_extra=documented(DashboardsQuery),
)
def list_dashboards(
    access: Annotated[Access, requires("dashboards:read", in_scope=True)],
    asked: Annotated[DashboardsQuery, asked_by(DashboardsQuery)],
    request: Request,
) -> Response:
    return access.listed(request, asked, _LIST, DASHBOARD_LIST, asked.conditions())


@router.post(
    "", operation_id="dashboards_create", summary="Make a dashboard", status_code=201, response_model=DashboardOut
)
def post_dashboard(
    access: Annotated[Access, requires("dashboards:write", in_scope=True)],
    body: DashboardForm,
    once: OnlyOnce,
    request: Request,
) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = create_dashboard(access.ctx, uow, body.draft(), message=body.message)
        return Made(DashboardOut.of(made), tag_of(made))

    ended(request, access)
    return once.answer(access, work)


@router.get(
    "/{dashboard_id}",
    operation_id="dashboards_get",
    summary="One dashboard",
    responses={304: {"description": "If-None-Match names the current version"}},
    response_model=DashboardOut,
)
def get_dashboard(
    access: Annotated[Access, requires("dashboards:read", in_scope=True)],
    dashboard_id: UUID,
    request: Request,
    cache_control: CacheControl = None,
) -> Response:
    tag, answer = _kept(access, dashboard_id, is_new_wanted=wants_new(cache_control))
    if is_unchanged(request.headers, tag):
        return Response(status_code=304, headers={"etag": tag})
    response = json_of(answer)
    response.headers["etag"] = tag
    return response


@router.put("/{dashboard_id}", operation_id="dashboards_replace", summary="Save a dashboard as a new version")
def put_dashboard(
    access: Annotated[Access, requires("dashboards:write", in_scope=True)],
    dashboard_id: UUID,
    body: DashboardForm,
    request: Request,
    response: Response,
) -> DashboardOut:
    ended(request, access)
    with access.unit() as uow:
        current = matched(request, dashboard(access.ctx, uow, DashboardId(dashboard_id)))
        saved = replace_dashboard(
            access.ctx, uow, DashboardId(dashboard_id), body.draft(), current.version, message=body.message
        )
    response.headers["etag"] = tag_of(saved)
    return DashboardOut.of(saved)


@router.delete(
    "/{dashboard_id}",
    operation_id="dashboards_delete",
    summary="Delete a dashboard with all its versions",
    status_code=204,
)
def remove_dashboard(
    access: Annotated[Access, requires("dashboards:write", in_scope=True)], dashboard_id: UUID, request: Request
) -> None:
    ended(request, access)
    with access.unit() as uow:
        current = matched(request, dashboard(access.ctx, uow, DashboardId(dashboard_id)))
        delete_dashboard(access.ctx, uow, DashboardId(dashboard_id), current.version)


@router.post(
    "/{dashboard_id}/panels/{panel_id}/data",
    operation_id="dashboards_panel_data",
    summary="Ask what a panel shows",
    response_model=PanelData,
)
def post_panel_data(
    access: Annotated[Access, requires("dashboards:read", in_scope=True, is_slow=True)],
    dashboard_id: UUID,
    panel_id: int,
    body: PanelDataForm,
    cache_control: CacheControl = None,
) -> Response:
    """Needs `metrics:read` too. Each query is answered as `metrics/query` answers it, and kept as long."""
    is_new_wanted = wants_new(cache_control)
    shown = msgspec.json.decode(_kept(access, dashboard_id, is_new_wanted=is_new_wanted)[1].body, type=Dashboard)
    chosen = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in body.variables.items()}
    asked = PanelAsked(body.begin, body.end, body.step, body.max_data_points, chosen)
    found = panel_of(shown, panel_id)
    planned = panel_questions(access.ctx, shown, found, asked, access.deps.clock.now_ns())
    results = [_result(access, each, is_new_wanted=is_new_wanted) for each in planned]
    head = b'{"panel_id":%d,"version":%d,"results":[' % (panel_id, shown.version)
    return Response(head + b",".join(results) + b"]}", media_type="application/json")


def _result(access: Access, planned: Planned, *, is_new_wanted: bool) -> bytes:
    """The bytes that are kept, with the query's name put in front."""
    if planned.question is None:
        return _refused(planned, planned.refusal)
    try:
        answer = panel_answer(access, planned.question, is_new_wanted=is_new_wanted)
    except (InvalidError, LimitError) as error:
        return _refused(planned, error)
    named = orjson.dumps({"ref_id": planned.ref_id, "step": planned.question.step})
    return named[:-1] + b"," + answer.body[1:]


def _refused(planned: Planned, error: StrataError | None) -> bytes:
    told = None
    if error is not None:
        details = "; ".join([error.detail, *(f"{each.where}: {each.detail}" for each in error.problems)])
        told = {"code": error.code, "detail": details, "hint": error.hint}
    return orjson.dumps({"ref_id": planned.ref_id, "step": None, "series": [], "segments": [], "error": told})


def _kept(access: Access, dashboard_id: UUID, *, is_new_wanted: bool) -> tuple[str, Answer]:
    """The dashboard's tag and its JSON. The tag is kept in front of it, up to the first line break."""

    def read() -> Kept:
        with access.unit() as uow:
            found = dashboard(access.ctx, uow, DashboardId(dashboard_id))
        return Kept(tag_of(found).encode() + b"\n" + msgspec.json.encode(found), found.version)

    asked = dashboard_question(access.ctx, DashboardId(dashboard_id))
    kept = access.deps.answers.answer(asked, read, is_new_wanted=is_new_wanted)
    tag, _, body = kept.body.partition(b"\n")
    return tag.decode(), Answer(body, kept.age_s, kept.is_stale, kept.outcome)
