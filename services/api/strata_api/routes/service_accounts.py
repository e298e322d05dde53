"""Service accounts: what programs act as. Their keys are made with the other API keys."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from strata_api.deps import Access, requires
from strata_api.etags import tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, shown
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.service_accounts.commands import change_service_account, create_service_account, delete_service_account
from strata_core.service_accounts.queries import service_account, service_account_page
from strata_datamodel.ids import ServiceAccountId
from strata_datamodel.limits import DESCRIPTION_LENGTH, NAME_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/service-accounts", tags=["service accounts"])
_LIST = "service_accounts_list"


class ServiceAccountForm(Sent):
    name: Text = Field(min_length=1, max_length=NAME_LENGTH)
    description: Text = Field("", max_length=DESCRIPTION_LENGTH)


class ServiceAccountOut(Shown):
    id: UUID
    name: str
    description: str
    version: int
    created_at: Instant
    updated_at: Instant


@router.get("", operation_id=_LIST, summary="Service accounts, oldest first")
def list_service_accounts(
    access: Annotated[Access, requires("service_accounts:read")], paged: Paged
) -> Page[ServiceAccountOut]:
    listing = access.listing(paged, _LIST)
    with access.unit() as uow:
        rows = service_account_page(access.ctx, uow, limit=listing.fetch, after=listing.after(UUID))
    return listing.page(rows, ServiceAccountOut.model_validate, lambda row: [row.id])


@router.post(
    "",
    operation_id="service_accounts_create",
    summary="Make a service account",
    status_code=201,
    response_model=ServiceAccountOut,
)
def post_service_account(
    access: Annotated[Access, requires("service_accounts:write")], body: ServiceAccountForm, once: OnlyOnce
) -> Response:
    def work(uow: UnitOfWork) -> Made:
        made = create_service_account(access.ctx, uow, name=body.name, description=body.description)
        return Made(ServiceAccountOut.model_validate(made), tag_of(made))

    return once.answer(access, work)


@router.get("/{account_id}", operation_id="service_accounts_get", summary="One service account")
def get_service_account(
    access: Annotated[Access, requires("service_accounts:read")], account_id: UUID, response: Response
) -> ServiceAccountOut:
    with access.unit() as uow:
        found = service_account(access.ctx, uow, ServiceAccountId(account_id))
    return shown(response, ServiceAccountOut, found)


@router.put("/{account_id}", operation_id="service_accounts_replace", summary="Replace a service account")
def put_service_account(
    access: Annotated[Access, requires("service_accounts:write")],
    account_id: UUID,
    body: ServiceAccountForm,
    request: Request,
    response: Response,
) -> ServiceAccountOut:
    with access.unit() as uow:
        current = matched(request, service_account(access.ctx, uow, ServiceAccountId(account_id)))
        changed = change_service_account(
            access.ctx, uow, current.id, name=body.name, description=body.description, version=current.version
        )
    return shown(response, ServiceAccountOut, changed)


@router.delete(
    "/{account_id}",
    operation_id="service_accounts_delete",
    summary="Delete a service account with its keys",
    status_code=204,
)
def remove_service_account(
    access: Annotated[Access, requires("service_accounts:write")], account_id: UUID, request: Request
) -> None:
    with access.unit() as uow:
        current = matched(request, service_account(access.ctx, uow, ServiceAccountId(account_id)))
        delete_service_account(access.ctx, uow, current.id, current.version)
