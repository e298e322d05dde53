"""Why may they, why may they not?"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_core.context import ActorKind
from strata_core.roles.effective import Holding
from strata_core.roles.explaining import Explanation, explain_access
from strata_core.roles.subjects import Subject, SubjectKind, subject_of
from strata_datamodel.errors import InvalidError
from strata_datamodel.limits import LABELS_PER_SCOPE, NAME_LENGTH, TAG_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/access", tags=["roles"])
_SUBJECT = "user:<id>, team:<id>, service_account:<id> or api_key:<id>; yourself when left out."
_LABEL = "key:value of the entity in question; may be repeated. Without any, the permission everywhere is meant."


class Way(BaseModel):
    role: str = Field(description="The role that is held: its id, or the name of a built-in one.")
    role_name: str
    via: Literal["membership", "assignment", "team"]
    team_id: UUID | None
    team_name: str | None
    inherited: list[str] = Field(description="The names of the roles from there to the one that gives the permission.")
    labels: dict[str, str] = Field(description="The scope it is given in; empty is everywhere.")


class ExplanationOut(BaseModel):
    subject: str
    permission: str
    labels: dict[str, str] | None
    is_allowed: bool
    reason: str
    through: list[Way] = Field(description="Every way in which they hold it; of a key without an account none.")
    missing: list[str] = Field(description="What stands in the way.")


@router.get("/explain", operation_id="access_explain", summary="Why somebody may do a thing, or why not")
def get_explanation(
    access: Annotated[Access, requires("roles:read")],
    permission: Annotated[str, Query(max_length=NAME_LENGTH, examples=["hosts:write"])],
    subject: Annotated[str | None, Query(max_length=NAME_LENGTH, description=_SUBJECT)] = None,
    label: Annotated[list[str] | None, Query(max_length=8 * LABELS_PER_SCOPE, description=_LABEL)] = None,
) -> ExplanationOut:
    whom = _self(access) if subject is None else subject_of(subject)
    labels = None if label is None else dict(_pair(each) for each in label)
    with access.unit() as uow:
        return _shown(explain_access(access.ctx, uow, whom, permission, labels))


def _self(access: Access) -> Subject:
    actor = access.ctx.actor
    if actor.actor_id is None:
        raise InvalidError("name whom you ask about", code="bad_subject")
    return Subject(SubjectKind.API_KEY if actor.kind is ActorKind.API_KEY else SubjectKind.USER, actor.actor_id)


def _pair(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not key or not colon or len(key) > TAG_LENGTH or len(value) > TAG_LENGTH:
        raise InvalidError("a label is key:value", code="bad_label")
    return key, value


def _shown(explanation: Explanation) -> ExplanationOut:
    return ExplanationOut(
        subject=str(explanation.subject),
        permission=explanation.permission,
        labels=None if explanation.labels is None else dict(explanation.labels),
        is_allowed=explanation.is_allowed,
        reason=explanation.reason,
        through=[_way(each) for each in explanation.through],
        missing=list(explanation.missing),
    )


def _way(holding: Holding) -> Way:
    return Way(
        role=str(holding.held.role),
        role_name=holding.line[0].name,
        via=holding.held.via.value,
        team_id=holding.held.team_id,
        team_name=holding.held.team_name,
        inherited=[node.name for node in holding.line[1:]],
        labels=dict(holding.grant.scope),
    )
