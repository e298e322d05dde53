"""What service accounts tell the rest."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from strata_core.outbox.events import Event

SCHEMA_VERSION: Final = 1
ACCOUNT_CREATED: Final = "service_account.created"
ACCOUNT_CHANGED: Final = "service_account.changed"
ACCOUNT_DELETED: Final = "service_account.deleted"


def account_event(kind: str, account_id: UUID, payload: Mapping[str, object]) -> Event:
    return Event(kind, SCHEMA_VERSION, "service_account", account_id, payload)
