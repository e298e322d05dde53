"""Putting a new key into its table: asked for by people, and once when an organization begins."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import insert

from strata_core.access.queries import ApiKey, api_key_of
from strata_core.access.tokens import DEFAULT_ENVIRONMENT, issue_token
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import ApiKeyId, ServiceAccountId
from strata_datamodel.tables.access import api_keys


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """All that is asked for when a key is made."""

    name: str
    scopes: Sequence[str]
    environment: str = DEFAULT_ENVIRONMENT
    expires_at: datetime | None = None
    allowed_networks: Sequence[str] = ()
    service_account_id: ServiceAccountId | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """`text` is the only copy of the token there will ever be."""

    key: ApiKey
    text: str = field(repr=False)


def add_key(ctx: Context, uow: UnitOfWork, draft: KeyDraft) -> NewKey:
    """The caller has judged what is asked for."""
    token = issue_token(draft.environment)
    api_key_id = ApiKeyId(new_id(uow))
    shown: dict[str, object] = {
        **asdict(draft),
        "scopes": list(draft.scopes),
        "allowed_networks": list(draft.allowed_networks),
    }
    hidden: dict[str, object] = {
        "organization_id": uow.organization_id,
        "id": api_key_id,
        "key_id": token.key_id,
        "secret_hash": token.secret_hash,
        "created_by": ctx.actor.actor_id,
        "created_at": uow.now(),
        "updated_at": uow.now(),
    }
    uow.execute(insert(api_keys), shown | hidden)
    record(ctx, uow, "api_key.created", "api_key", str(api_key_id), after=shown)
    return NewKey(key=api_key_of(uow, api_key_id), text=token.text)
