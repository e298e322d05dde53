"""Rules that watch metrics."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.etags import tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, shown, unless_unchanged
from strata_core.alerting.commands import create_rule, delete_rule, replace_rule
from strata_core.alerting.drafts import RuleDraft, checked_draft
from strata_core.alerting.patterns import require_known_patterns
from strata_core.alerting.queries import rule, rules
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import RuleId
from strata_datamodel.limits import NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/alert-rules", tags=["alert rules"])
_LIST = "alert_rules_list"


class FilterForm(Sent):
    tag: Text
    op: Literal["=", "!=", "=~", "!~", "in"] = "="
    values: list[Text] = Field(min_length=1, max_length=100)


class ConditionForm(Sent):
    measurement: Text = Field(examples=["system_metrics"])
    field: Text = Field(examples=["value"])
    aggregate: str = Field("avg", description="count, sum, avg, min, max, first, last, rate, p1 to p99")
    comparison: Literal[">", ">=", "<", "<=", "==", "!="] = ">"
    threshold: float | None = Field(None, allow_inf_nan=False, description="Or threshold_field, and one of the two.")
    threshold_field: Text | None = Field(
        None,
        description="The field of the same series that holds the threshold. It is aggregated as `field` is; without "
        "points of it the result is no_data.",
        examples=["threshold_critical"],
    )
    window_s: int = Field(300, description="How far back an evaluation looks.")
    filters: list[FilterForm] = Field(default_factory=list)
    group_by: list[Text] = Field(default_factory=list, description="One alert per combination of these tags' values.")


class RuleForm(Sent):
    name: Text = Field(min_length=1, max_length=NAME_LENGTH)
    description: Text = ""
    is_enabled: bool = True
    severity: Literal["info", "warning", "error", "critical"] = "warning"
    condition: ConditionForm
    labels: dict[Text, Text] = Field(default_factory=dict, description="Added to the labels of each alert.")
    for_s: int = Field(0, description="How long the condition must hold before the alert opens.")
    interval_s: int = Field(60, description="How often the rule is evaluated.")


class ConditionOut(Shown):
    measurement: str
    field: str
    aggregate: str
    comparison: str
    threshold: float | None = None
    threshold_field: str | None = None
    window_s: int
    filters: list[FilterForm]
    group_by: list[str]


class RuleOut(Shown):
    id: UUID
    name: str
    description: str
    is_enabled: bool
    severity: str
    condition: ConditionOut
    labels: dict[str, str]
    for_s: int
    interval_s: int
    last_evaluated_at: Instant | None
    last_result: str | None = Field(description="ok, firing, no_data or error; null before the first evaluation.")
    last_error: str | None
    version: int
    created_at: Instant
    updated_at: Instant


def _draft(access: Access, body: RuleForm) -> RuleDraft:
    """Before a transaction is open: the store of metrics may take its time to answer."""
    draft = checked_draft(msgspec.convert(body.model_dump(), RuleDraft))
    require_known_patterns(access.deps.metric_store, access.ctx.organization_id, draft)
    return draft


@router.get("", operation_id=_LIST, summary="Rules, oldest first")
def list_rules(access: Annotated[Access, requires("alert_rules:read", in_scope=True)], paged: Paged) -> Page[RuleOut]:
    listing = access.listing(paged, _LIST)
    with access.unit() as uow:
        rows = rules(access.ctx, uow, limit=listing.fetch, after=listing.after(UUID))
    return listing.page(rows, RuleOut.model_validate, lambda row: [row["id"]])


@router.post("", operation_id="alert_rules_create", summary="Make a rule", status_code=201, response_model=RuleOut)
def post_rule(
    access: Annotated[Access, requires("alert_rules:write", in_scope=True)], body: RuleForm, once: OnlyOnce
) -> Response:
    draft = _draft(access, body)

    def work(uow: UnitOfWork) -> Made:
        made = create_rule(access.ctx, uow, draft)
        return Made(RuleOut.model_validate(made), tag_of(made))

    return once.answer(access, work)


@router.get(
    "/{rule_id}",
    operation_id="alert_rules_get",
    summary="One rule",
    responses={304: {"description": "If-None-Match names the current version"}},
    response_model=RuleOut,
)
def get_rule(
    access: Annotated[Access, requires("alert_rules:read", in_scope=True)],
    rule_id: UUID,
    request: Request,
    response: Response,
) -> object:
    with access.unit() as uow:
        found = rule(access.ctx, uow, RuleId(rule_id))
    return unless_unchanged(request, response, found)


@router.put("/{rule_id}", operation_id="alert_rules_replace", summary="Replace a rule")
def put_rule(
    access: Annotated[Access, requires("alert_rules:write", in_scope=True)],
    rule_id: UUID,
    body: RuleForm,
    request: Request,
    response: Response,
) -> RuleOut:
    draft = _draft(access, body)
    with access.unit() as uow:
        current = matched(request, rule(access.ctx, uow, RuleId(rule_id)))
        changed = replace_rule(access.ctx, uow, RuleId(rule_id), draft, int(str(current["version"])))
    return shown(response, RuleOut, changed)


@router.delete("/{rule_id}", operation_id="alert_rules_delete", summary="Delete a rule", status_code=204)
def remove_rule(
    access: Annotated[Access, requires("alert_rules:write", in_scope=True)], rule_id: UUID, request: Request
) -> None:
    """Its open alerts are resolved."""
    with access.unit() as uow:
        current = matched(request, rule(access.ctx, uow, RuleId(rule_id)))
        delete_rule(access.ctx, uow, RuleId(rule_id), int(str(current["version"])))
