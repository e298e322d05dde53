"""Where alerts are sent, and what became of each sending."""

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
from strata_api.versioned import matched, shown
from strata_core.notifying.queries import notification_page
from strata_core.notifying.webhooks import (
    WebhookDraft,
    create_webhook,
    delete_webhook,
    replace_webhook,
    webhook,
    webhook_page,
)
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import WebhookId
from strata_datamodel.limits import NAME_LENGTH, URL_LENGTH

router = APIRouter(prefix="/api/v1/orgs/{org}/webhooks", tags=["webhooks"])
_LIST = "webhooks_list"
_NOTIFICATIONS = "webhook_notifications_list"
EventKind = Literal["alert.fired", "alert.acknowledged", "alert.resolved"]


class WebhookForm(Sent):
    name: Text = Field(min_length=1, max_length=NAME_LENGTH)
    url: Text = Field(max_length=URL_LENGTH, examples=["https://example.com/hooks/strata"])
    is_enabled: bool = True
    event_kinds: list[EventKind] = Field(["alert.fired", "alert.acknowledged", "alert.resolved"], min_length=1)


class WebhookOut(Shown):
    id: UUID
    name: str
    url: str
    is_enabled: bool
    event_kinds: list[str]
    version: int
    created_at: Instant
    updated_at: Instant


class WebhookMade(WebhookOut):
    secret: str = Field(description="Signs every request (Standard Webhooks). Shown now and never again.")


class NotificationOut(Shown):
    id: UUID = Field(description="The `webhook-id` header of every attempt.")
    alert_id: UUID | None
    event_kind: str
    state: str
    attempts: int
    due_at: Instant
    last_reason: str | None
    last_detail: str | None
    http_status: int | None
    sent_at: Instant | None
    created_at: Instant


@router.get("", operation_id=_LIST, summary="Webhooks, oldest first")
def list_webhooks(access: Annotated[Access, requires("webhooks:read")], paged: Paged) -> Page[WebhookOut]:
    listing = access.listing(paged, _LIST)
    with access.unit() as uow:
        rows = webhook_page(access.ctx, uow, limit=listing.fetch, after=listing.after(UUID))
    return listing.page(rows, WebhookOut.model_validate, lambda row: [row["id"]])


@router.post("", operation_id="webhooks_create", summary="Make a webhook", status_code=201, response_model=WebhookMade)
def post_webhook(access: Annotated[Access, requires("webhooks:write")], body: WebhookForm, once: OnlyOnce) -> Response:
    draft = msgspec.convert(body.model_dump(), WebhookDraft)

    def work(uow: UnitOfWork) -> Made:
        made = create_webhook(access.ctx, uow, access.deps.secret_box, draft)
        return Made(WebhookMade.model_validate(made), tag_of(made))

    return once.answer(access, work, has_secret=True)


@router.get("/{webhook_id}", operation_id="webhooks_get", summary="One webhook")
def get_webhook(
    access: Annotated[Access, requires("webhooks:read")], webhook_id: UUID, response: Response
) -> WebhookOut:
    with access.unit() as uow:
        found = webhook(access.ctx, uow, WebhookId(webhook_id))
    return shown(response, WebhookOut, found)


@router.put("/{webhook_id}", operation_id="webhooks_replace", summary="Replace a webhook; its secret stays")
def put_webhook(
    access: Annotated[Access, requires("webhooks:write")],
    webhook_id: UUID,
    body: WebhookForm,
    request: Request,
    response: Response,
) -> WebhookOut:
    draft = msgspec.convert(body.model_dump(), WebhookDraft)
    with access.unit() as uow:
        current = matched(request, webhook(access.ctx, uow, WebhookId(webhook_id)))
        version = int(str(current["version"]))
        changed = replace_webhook(access.ctx, uow, WebhookId(webhook_id), draft, version)
    return shown(response, WebhookOut, changed)


@router.delete("/{webhook_id}", operation_id="webhooks_delete", summary="Delete a webhook", status_code=204)
def remove_webhook(access: Annotated[Access, requires("webhooks:write")], webhook_id: UUID, request: Request) -> None:
    with access.unit() as uow:
        current = matched(request, webhook(access.ctx, uow, WebhookId(webhook_id)))
        delete_webhook(access.ctx, uow, WebhookId(webhook_id), int(str(current["version"])))


@router.get("/{webhook_id}/notifications", operation_id=_NOTIFICATIONS, summary="Sendings, newest first")
def list_notifications(
    access: Annotated[Access, requires("webhooks:read")],
    webhook_id: UUID,
    paged: Paged,
) -> Page[NotificationOut]:
    listing = access.listing(paged, _NOTIFICATIONS, {"webhook_id": webhook_id})
    hook = WebhookId(webhook_id)
    with access.unit() as uow:
        rows = notification_page(access.ctx, uow, hook, limit=listing.fetch, before=listing.after(UUID))
    return listing.page(rows, NotificationOut.model_validate, lambda row: [row["id"]])
