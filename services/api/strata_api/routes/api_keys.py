"""Keys that programs present."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, Field

from strata_api.deps import Access, requires
from strata_api.etags import check_if_match_if_sent, tag_of
from strata_api.idempotency import Made, OnlyOnce
from strata_api.paging import Paged
from strata_api.schemas import Instant, Page, Sent, Shown, Text
from strata_api.versioned import matched, shown
from strata_core.access.commands import change_api_key, create_api_key, revoke_api_key, rotate_api_key
from strata_core.access.key_rows import KeyDraft, NewKey
from strata_core.access.queries import api_key_of, api_keys_after
from strata_core.access.tokens import DEFAULT_ENVIRONMENT
from strata_datamodel.ids import ApiKeyId, ServiceAccountId
from strata_datamodel.limits import (
    KEY_OVERLAP_HOURS_MAX,
    NAME_LENGTH,
    NETWORK_LENGTH,
    NETWORKS_PER_KEY,
    SCOPES_PER_KEY,
)

router = APIRouter(prefix="/api/v1/orgs/{org}/api-keys", tags=["api keys"])

_LIST = "api_keys_list"


class ApiKeyOut(Shown):
    id: UUID
    key_id: str = Field(description="The part of the token that may be seen.")
    name: str
    scopes: list[str]
    environment: str
    created_at: Instant
    created_by: UUID | None
    service_account_id: UUID | None = Field(description="Whose key it is; null for one of the organization itself.")
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None
    allowed_networks: list[str] = Field(description="Where it works from; empty is everywhere.")
    version: int
    updated_at: Instant


class ShownOnce(ApiKeyOut):
    token: str = Field(description="Shown now and never again.")


KeyName = Annotated[Text, Field(min_length=1, max_length=NAME_LENGTH)]
KeyNetworks = Annotated[
    list[Annotated[str, Field(max_length=NETWORK_LENGTH)]],
    Field(
        max_length=NETWORKS_PER_KEY,
        description="Addresses and networks (10.0.0.0/8, 2001:db8::/32) it works from; empty is everywhere.",
    ),
]


class ApiKeyDraft(Sent):
    name: KeyName
    scopes: list[str] = Field(
        min_length=1, max_length=SCOPES_PER_KEY, description="admin, ingest, read, or permissions such as hosts:read"
    )
    environment: str = Field(DEFAULT_ENVIRONMENT, pattern="^[a-z][a-z0-9]{0,15}$")
    expires_at: AwareDatetime | None = None
    allowed_networks: KeyNetworks = Field(default_factory=list)
    service_account_id: UUID | None = Field(None, description="The key may do what its scopes and the account allow.")


class ApiKeyPatch(Sent):
    """A field left out stays as it is. What a key may do and until when stays for its life: make another for that."""

    name: KeyName | None = None
    allowed_networks: KeyNetworks | None = None


class Rotation(Sent):
    overlap_hours: Annotated[
        float, Field(ge=0, le=KEY_OVERLAP_HOURS_MAX, description="How long the old key works on.")
    ] = 24


@router.get("", operation_id=_LIST, summary="Keys, newest first")
def list_keys(
    access: Annotated[Access, requires("api_keys:read")],
    paged: Paged,
    service_account_id: Annotated[UUID | None, Query(description="Only keys of this service account.")] = None,
) -> Page[ApiKeyOut]:
    listing = access.listing(paged, _LIST, {"service_account_id": service_account_id})
    account = None if service_account_id is None else ServiceAccountId(service_account_id)
    with access.unit() as uow:
        after = listing.after(lambda text: ApiKeyId(UUID(text)))
        rows = api_keys_after(uow, after, listing.fetch, service_account_id=account)
    return listing.page(rows, ApiKeyOut.model_validate, lambda key: [key.id])


@router.post("", operation_id="api_keys_create", summary="Make a key", status_code=201, response_model=ShownOnce)
def create_key(access: Annotated[Access, requires("api_keys:write")], body: ApiKeyDraft, once: OnlyOnce) -> Response:
    draft = KeyDraft(**body.model_dump())
    return once.answer(access, lambda uow: _made(create_api_key(access.ctx, uow, draft)), has_secret=True)


@router.get("/{api_key_id}", operation_id="api_keys_get", summary="One key")
def get_key(access: Annotated[Access, requires("api_keys:read")], api_key_id: UUID, response: Response) -> ApiKeyOut:
    with access.unit() as uow:
        found = api_key_of(uow, ApiKeyId(api_key_id))
    return shown(response, ApiKeyOut, found)


@router.patch("/{api_key_id}", operation_id="api_keys_update", summary="Rename a key, or change where it works from")
def patch_key(
    access: Annotated[Access, requires("api_keys:write")],
    api_key_id: UUID,
    body: ApiKeyPatch,
    request: Request,
    response: Response,
) -> ApiKeyOut:
    """Networks count everywhere within 5 seconds."""
    with access.unit() as uow:
        current = matched(request, api_key_of(uow, ApiKeyId(api_key_id)))
        changed = change_api_key(
            access.ctx,
            uow,
            current.id,
            current.version,
            name=current.name if body.name is None else body.name,
            allowed_networks=current.allowed_networks if body.allowed_networks is None else body.allowed_networks,
        )
    return shown(response, ApiKeyOut, changed)


@router.delete("/{api_key_id}", operation_id="api_keys_revoke", summary="Revoke a key at once", status_code=204)
def revoke_key(access: Annotated[Access, requires("api_keys:write")], api_key_id: UUID, request: Request) -> None:
    """Without If-Match whatever its version: a key that leaked is to stop, not to be read again first."""
    with access.unit() as uow:
        current = api_key_of(uow, ApiKeyId(api_key_id))
        check_if_match_if_sent(request.headers, tag_of(current))
        revoke_api_key(access.ctx, uow, current.id)


@router.post(
    "/{api_key_id}/rotate",
    operation_id="api_keys_rotate",
    summary="Replace a key, with overlap",
    status_code=201,
    response_model=ShownOnce,
)
def rotate_key(
    access: Annotated[Access, requires("api_keys:write")],
    api_key_id: UUID,
    once: OnlyOnce,
    body: Rotation | None = None,
) -> Response:
    overlap = timedelta(hours=(body or Rotation()).overlap_hours)
    key = ApiKeyId(api_key_id)
    return once.answer(
        access, lambda uow: _made(rotate_api_key(access.ctx, uow, key, overlap=overlap)), has_secret=True
    )


def _made(new: NewKey) -> Made:
    made = ShownOnce(**ApiKeyOut.model_validate(new.key).model_dump(), token=new.text)
    return Made(made, tag_of(new.key))
