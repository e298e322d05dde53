"""Services, and what they depend on."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.etags import tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.list_queries import asked_by, documented
from strata_api.routes.hosts import InventoryQuery, Label
from strata_api.schemas import Document, Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, patched, shown, unless_unchanged
from strata_core.inventory.commands import (
    add_dependency,
    create_service,
    delete_service,
    remove_dependency,
    replace_service,
)
from strata_core.inventory.lists import SERVICES
from strata_core.inventory.queries import dependencies, dependents, service
from strata_core.inventory.rules import ServiceDraft
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import ServiceId
from strata_datamodel.inventory import DependencyKind, EntityStatus, Source

router = APIRouter(prefix="/api/v1/orgs/{org}/services", tags=["services"])
_LIST = "services_list"


class ServiceQuery(InventoryQuery):
    host_id: UUID | None = None

    def conditions(self) -> dict[str, object]:
        return {**super().conditions(), "host_id": self.host_id}


class ServiceForm(Sent):
    name: Label
    host_id: UUID | None = Field(None, description="Null for a service that is not tied to one host.")
    status: EntityStatus = EntityStatus.UNKNOWN
    environment: Label | None = None
    health_check: Document | None = None
    metadata: Document = Field(default_factory=dict)
    tags: dict[Text, Text] = Field(default_factory=dict)


class ServicePatch(ServiceForm):
    """A field left out stays as it is; null empties one that may be empty."""

    name: Label = Field(default_factory=str)


class ServiceOut(Shown):
    id: UUID
    host_id: UUID | None
    name: str
    status: EntityStatus
    environment: str | None
    health_check: dict[str, object] | None
    metadata: dict[str, object]
    tags: dict[str, str]
    source: Source
    first_seen_at: Instant | None
    last_seen_at: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant


class DependencyForm(Sent):
    depends_on_id: UUID
    kind: DependencyKind = DependencyKind.HARD


class DependencyOut(Shown):
    id: UUID
    service_id: UUID
    depends_on_id: UUID
    kind: DependencyKind
    created_at: Instant


class Dependencies(Shown):
    depends_on: list[DependencyOut]
    dependents: list[DependencyOut]


@router.get(
    "",
    operation_id=_LIST,
    summary="Services by name",
    response_model=Page[ServiceOut],
    openapi_extra=documented(ServiceQuery),
)
def list_services(
    access: Annotated[Access, requires("services:read", in_scope=True)],
    asked: Annotated[ServiceQuery, asked_by(ServiceQuery)],
    request: Request,
) -> Response:
    return access.listed(request, asked, _LIST, SERVICES, asked.conditions())


@router.post("", operation_id="services_create", summary="Add a service", status_code=201, response_model=ServiceOut)
def post_service(
    access: Annotated[Access, requires("services:write", in_scope=True)], body: ServiceForm, once: OnlyOnce
) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = create_service(access.ctx, uow, ServiceDraft(**body.model_dump()))
        return Made(ServiceOut.model_validate(made), tag_of(made))

    return once.answer(access, work)


@router.get(
    "/{service_id}",
    operation_id="services_get",
    summary="One service",
    responses={304: {"description": "If-None-Match names the current version"}},
    response_model=ServiceOut,
)
def get_service(
    access: Annotated[Access, requires("services:read", in_scope=True)],
    service_id: UUID,
    request: Request,
    response: Response,
) -> object:
    with access.unit() as uow:
        found = service(access.ctx, uow, ServiceId(service_id))
    return unless_unchanged(request, response, found)


@router.put("/{service_id}", operation_id="services_replace", summary="Replace what people write of a service")
def put_service(
    access: Annotated[Access, requires("services:write", in_scope=True)],
    service_id: UUID,
    body: ServiceForm,
    request: Request,
    response: Response,
) -> ServiceOut:
    with access.unit() as uow:
        current = matched(request, service(access.ctx, uow, ServiceId(service_id)))
        draft = ServiceDraft(**body.model_dump())
        changed = replace_service(access.ctx, uow, current.id, draft, current.version)
    return shown(response, ServiceOut, changed)


@router.patch("/{service_id}", operation_id="services_update", summary="Change some of a service")
def patch_service(
    access: Annotated[Access, requires("services:write", in_scope=True)],
    service_id: UUID,
    body: ServicePatch,
    request: Request,
    response: Response,
) -> ServiceOut:
    with access.unit() as uow:
        current = matched(request, service(access.ctx, uow, ServiceId(service_id)))
        draft = patched(ServiceDraft, current, body)
        changed = replace_service(access.ctx, uow, current.id, draft, current.version)
    return shown(response, ServiceOut, changed)


@router.delete("/{service_id}", operation_id="services_delete", summary="Remove a service", status_code=204)
def remove_service(
    access: Annotated[Access, requires("services:write", in_scope=True)], service_id: UUID, request: Request
) -> None:
    """Dependencies from and to it go with it."""
    with access.unit() as uow:
        current = matched(request, service(access.ctx, uow, ServiceId(service_id)))
        delete_service(access.ctx, uow, current.id, current.version)


@router.get(
    "/{service_id}/dependencies", operation_id="service_dependencies_list", summary="What it needs, and what needs it"
)
def list_dependencies(
    access: Annotated[Access, requires("services:read", in_scope=True)], service_id: UUID
) -> Dependencies:
    with access.unit() as uow:
        needs = dependencies(access.ctx, uow, ServiceId(service_id))
        needed_by = dependents(access.ctx, uow, ServiceId(service_id))
    return Dependencies.model_validate({"depends_on": needs, "dependents": needed_by}, from_attributes=True)


@router.post(
    "/{service_id}/dependencies",
    operation_id="service_dependencies_create",
    summary="Say that it needs another",
    status_code=201,
    response_model=DependencyOut,
)
def post_dependency(
    access: Annotated[Access, requires("services:write", in_scope=True)],
    service_id: UUID,
    body: DependencyForm,
    once: OnlyOnce,
) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = add_dependency(access.ctx, uow, ServiceId(service_id), ServiceId(body.depends_on_id), body.kind)
        return Made(DependencyOut.model_validate(made))

    return once.answer(access, work)


@router.delete(
    "/{service_id}/dependencies/{dependency_id}",
    operation_id="service_dependencies_delete",
    summary="Say that it no longer needs another",
    status_code=204,
)
def delete_dependency(
    access: Annotated[Access, requires("services:write", in_scope=True)], service_id: UUID, dependency_id: UUID
) -> None:
    with access.unit() as uow:
        remove_dependency(access.ctx, uow, ServiceId(service_id), dependency_id)
