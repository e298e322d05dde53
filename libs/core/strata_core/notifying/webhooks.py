"""Destinations: signed webhooks. The signing secret is shown once and kept sealed."""

import base64
import secrets
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, insert, select, update

from strata_core.access.rules import require
from strata_core.alerting.events import ALERT_KINDS
from strata_core.alerting.queries import plain_value
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.listing.pages import oldest_first
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.secret_box import SecretBox, SecretPlace
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import InvalidError, LimitError, NotFoundError, PreconditionError, Problem
from strata_datamodel.ids import OrganizationId, WebhookId
from strata_datamodel.limits import NAME_LENGTH, URL_LENGTH, WEBHOOKS_PER_ORGANIZATION
from strata_datamodel.tables.notifying import webhooks

WEBHOOK_CHANGED: Final = "webhook.changed"
SECRET_BYTES: Final = 32
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the form that Standard Webhooks gives secrets
_FIELDS = ("id", "name", "url", "is_enabled", "event_kinds", "version", "created_at", "updated_at")
Document = dict[str, object]


class WebhookDraft(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    url: str
    is_enabled: bool = True
    event_kinds: tuple[str, ...] = ALERT_KINDS


def secret_place(organization_id: OrganizationId, webhook_id: WebhookId) -> SecretPlace:
    return SecretPlace(organization_id, "webhooks", "secret_sealed", webhook_id)


def create_webhook(ctx: Context, uow: UnitOfWork, box: SecretBox, draft: WebhookDraft) -> Document:
    """The answer carries `secret`, this once."""
    require(ctx, "webhooks:write")
    _check(draft)
    here = webhooks.c.organization_id == ctx.organization_id
    if uow.execute(select(func.count()).select_from(webhooks).where(here)).scalar_one() >= WEBHOOKS_PER_ORGANIZATION:
        raise LimitError(f"at most {WEBHOOKS_PER_ORGANIZATION} webhooks", hint="webhooks_per_organization")
    webhook_id = WebhookId(new_id(uow))
    secret = secrets.token_bytes(SECRET_BYTES)
    sealed = box.seal(secret_place(ctx.organization_id, webhook_id), secret)
    uow.execute(
        insert(webhooks).values(
            organization_id=ctx.organization_id, id=webhook_id, secret_sealed=sealed, **_columns(draft)
        )
    )
    document = webhook(ctx, uow, webhook_id)
    _tell(ctx, uow, webhook_id, "webhook.create", None, document)
    return {**document, "secret": SECRET_PREFIX + base64.b64encode(secret).decode()}


def replace_webhook(
    ctx: Context, uow: UnitOfWork, webhook_id: WebhookId, draft: WebhookDraft, version: int
) -> Document:
    require(ctx, "webhooks:write")
    _check(draft)
    before = _locked(ctx, uow, webhook_id, version)
    uow.execute(
        update(webhooks)
        .where(webhooks.c.organization_id == ctx.organization_id, webhooks.c.id == webhook_id)
        .values(**_columns(draft), version=webhooks.c.version + 1, updated_at=func.app.now())
    )
    after = webhook(ctx, uow, webhook_id)
    _tell(ctx, uow, webhook_id, "webhook.update", before, after)
    return after


def delete_webhook(ctx: Context, uow: UnitOfWork, webhook_id: WebhookId, version: int) -> None:
    """Its notifications go with it, those still planned too."""
    require(ctx, "webhooks:write")
    before = _locked(ctx, uow, webhook_id, version)
    uow.execute(delete(webhooks).where(webhooks.c.organization_id == ctx.organization_id, webhooks.c.id == webhook_id))
    _tell(ctx, uow, webhook_id, "webhook.delete", before, None)


def webhook(ctx: Context, uow: UnitOfWork, webhook_id: WebhookId) -> Document:
    require(ctx, "webhooks:read")
    return _document(_row(ctx, uow, webhook_id))


def webhook_page(ctx: Context, uow: UnitOfWork, *, limit: int, after: UUID | None = None) -> list[Document]:
    require(ctx, "webhooks:read")
    wanted = select(webhooks).where(webhooks.c.organization_id == ctx.organization_id)
    return [
        _document(dict(row))
        for row in uow.execute(oldest_first(wanted, webhooks.c.id, after=after, limit=limit)).mappings()
    ]


def _row(ctx: Context, uow: UnitOfWork, webhook_id: WebhookId, *, lock: bool = False) -> Mapping[str, object]:
    here = (webhooks.c.organization_id == ctx.organization_id, webhooks.c.id == webhook_id)
    wanted = select(webhooks).where(*here)
    row = uow.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such webhook")
    return dict(row)


def _locked(ctx: Context, uow: UnitOfWork, webhook_id: WebhookId, version: int) -> Document:
    row = _row(ctx, uow, webhook_id, lock=True)
    if row["version"] != version:
        raise PreconditionError("the webhook was changed since you read it", hint="read it again, repeat your change")
    return _document(row)


def _document(row: Mapping[str, object]) -> Document:
    return {name: plain_value(row[name]) for name in _FIELDS}


def _columns(draft: WebhookDraft) -> Document:
    return {
        "name": draft.name,
        "url": draft.url,
        "is_enabled": draft.is_enabled,
        "event_kinds": list(draft.event_kinds),
    }


def _check(draft: WebhookDraft) -> None:
    problems: list[Problem] = []
    if not 1 <= len(draft.name.strip()) <= NAME_LENGTH:
        problems.append(Problem("/name", f"must have 1 to {NAME_LENGTH} characters"))
    parts = _parts(draft.url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        problems.append(Problem("/url", f"must be an http or https URL of at most {URL_LENGTH} characters"))
    elif parts.username is not None or parts.password is not None:
        problems.append(Problem("/url", "must not carry credentials: requests are signed instead"))
    unknown = [kind for kind in draft.event_kinds if kind not in ALERT_KINDS]
    if unknown or not draft.event_kinds:
        problems.append(Problem("/event_kinds", f"one or more of {', '.join(ALERT_KINDS)}"))
    if problems:
        raise InvalidError("the webhook cannot work as it is", code="bad_webhook", problems=problems)


def _parts(url: str) -> SplitResult | None:
    """None for what is no URL."""
    if len(url) > URL_LENGTH or any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only now, and refused only when it is read
    except ValueError:
        return None
    return parts


def _tell(
    ctx: Context, uow: UnitOfWork, webhook_id: WebhookId, action: str, before: Document | None, after: Document | None
) -> None:
    record(ctx, uow, action, "webhook", str(webhook_id), before=before, after=after)
    payload = cast("Document", {"deleted": after is None})
    append(uow, Event(WEBHOOK_CHANGED, 1, "webhook", webhook_id, payload))
