"""Hosts: what people wrote and what telemetry saw."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from strata_api.deps import Access, requires
from strata_api.etags import tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.list_queries import asked_by, documented
from strata_api.paging import PageQuery
from strata_api.schemas import Document, Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, patched, shown, unless_unchanged
from strata_core.inventory.commands import create_host, delete_host, replace_host
from strata_core.inventory.lists import HOSTS, tag_condition
from strata_core.inventory.queries import host
from strata_core.inventory.rules import HostDraft
from strata_core.latest.queries import Series, host_with_metrics, series_of_host
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import HostId
from strata_datamodel.inventory import EntityStatus, Source
from strata_datamodel.limits import NAME_LENGTH, TAG_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/hosts", tags=["hosts"])
_LIST = "hosts_list"

Label = Annotated[Text, Field(min_length=1, max_length=NAME_LENGTH)]
Tag = Annotated[str, Query(max_length=2 * TAG_LENGTH + 1, description="A tag's key, or key:value.")]


class InventoryQuery(PageQuery):
    status: EntityStatus | None = None
    environment: Annotated[str, Query(max_length=NAME_LENGTH)] | None = None
    tag: Tag | None = None
    name_prefix: Annotated[str, Query(max_length=NAME_LENGTH)] | None = None

    def conditions(self) -> dict[str, object]:
        plain = {"status": self.status, "environment": self.environment, "name_prefix": self.name_prefix}
        return {**plain, **tag_condition(self.tag)}


class HostForm(Sent):
    name: Label
    status: EntityStatus = EntityStatus.UNKNOWN
    environment: Label | None = None
    datacenter: Label | None = None
    region: Label | None = None
    agent_version: Label | None = None
    agent_config: Document = Field(default_factory=dict)
    metadata: Document = Field(default_factory=dict)
    tags: dict[Text, Text] = Field(default_factory=dict)


class HostPatch(HostForm):
    """A field left out stays as it is; null empties one that may be empty."""

    name: Label = Field(default_factory=str)


class HostOut(Shown):
    id: UUID
    name: str
    status: EntityStatus
    environment: str | None
    datacenter: str | None
    region: str | None
    agent_version: str | None
    agent_config: dict[str, object]
    metadata: dict[str, object]
    tags: dict[str, str]
    source: Source
    first_seen_at: Instant | None
    last_seen_at: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant


class LatestMetric(BaseModel):
    measurement: str
    field: str
    at: Instant
    value: float | bool | str


class LatestOut(BaseModel):
    items: list[LatestMetric] = Field(description="By measurement and field.")
    is_complete: bool = Field(
        description="false while the metric store does not answer: there may be others, or newer ones."
    )


@router.get(
    "",
    operation_id=_LIST,
    summary="Hosts by name",
    response_model=Page[HostOut],
    openapi_extra=documented(InventoryQuery),
)
def list_hosts(
    access: Annotated[Access, requires("hosts:read", in_scope=True)],
    asked: Annotated[InventoryQuery, asked_by(InventoryQuery)],
    request: Request,
) -> Response:
    return access.listed(request, asked, _LIST, HOSTS, asked.conditions())


@router.post("", operation_id="hosts_create", summary="Add a host", status_code=201, response_model=HostOut)
def post_host(
    access: Annotated[Access, requires("hosts:write", in_scope=True)], body: HostForm, once: OnlyOnce
) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = create_host(access.ctx, uow, HostDraft(**body.model_dump()))
        return Made(HostOut.model_validate(made), tag_of(made))

    return once.answer(access, work)


@router.get(
    "/{host_id}",
    operation_id="hosts_get",
    summary="One host",
    responses={304: {"description": "If-None-Match names the current version"}},
    response_model=HostOut,
)
def get_host(
    access: Annotated[Access, requires("hosts:read", in_scope=True)],
    host_id: UUID,
    request: Request,
    response: Response,
) -> object:
    with access.unit() as uow:
        found = host(access.ctx, uow, HostId(host_id))
    return unless_unchanged(request, response, found)


@router.get(
    "/{host_id}/latest", operation_id="hosts_latest", summary="The newest value of each metric of a host, of a day back"
)
def get_latest(access: Annotated[Access, requires("metrics:read", is_slow=True)], host_id: UUID) -> LatestOut:
    """Of the series that name the host in their tag `host`, or `host_id`. Needs `hosts:read` of the host too. Where
    several series of a field are as new, the greatest value."""
    deps = access.deps
    with access.unit() as uow:
        name = host_with_metrics(access.ctx, uow, HostId(host_id))

    def known() -> list[Series]:
        with access.unit() as uow:
            return series_of_host(access.ctx, uow, name)

    found = deps.latest.of(access.ctx, name, known, deps.clock.now_ns())
    items = [
        LatestMetric(
            measurement=measurement,
            field=field,
            at=datetime.fromtimestamp(latest.at_ms / 1_000, UTC),
            value=latest.value,
        )
        for (measurement, field), latest in found.values.items()
    ]
    return LatestOut(items=items, is_complete=found.is_complete)


@router.put("/{host_id}", operation_id="hosts_replace", summary="Replace what people write of a host")
def put_host(
    access: Annotated[Access, requires("hosts:write", in_scope=True)],
    host_id: UUID,
    body: HostForm,
    request: Request,
    response: Response,
) -> HostOut:
    with access.unit() as uow:
        current = matched(request, host(access.ctx, uow, HostId(host_id)))
        changed = replace_host(access.ctx, uow, current.id, HostDraft(**body.model_dump()), current.version)
    return shown(response, HostOut, changed)


@router.patch("/{host_id}", operation_id="hosts_update", summary="Change some of a host")
def patch_host(
    access: Annotated[Access, requires("hosts:write", in_scope=True)],
    host_id: UUID,
    body: HostPatch,
    request: Request,
    response: Response,
) -> HostOut:
    with access.unit() as uow:
        current = matched(request, host(access.ctx, uow, HostId(host_id)))
        draft = patched(HostDraft, current, body)
        changed = replace_host(access.ctx, uow, current.id, draft, current.version)
    return shown(response, HostOut, changed)


@router.delete("/{host_id}", operation_id="hosts_delete", summary="Remove a host and its services", status_code=204)
def remove_host(
    access: Annotated[Access, requires("hosts:write", in_scope=True)], host_id: UUID, request: Request
) -> None:
    """Telemetry that still names it brings it back."""
    with access.unit() as uow:
        current = matched(request, host(access.ctx, uow, HostId(host_id)))
        delete_host(access.ctx, uow, current.id, current.version)
