"""The hash chain over an organization's audit rows: h(n) = SHA-256(h(n-1) || canonical JSON of row n)."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from strata_datamodel.ids import OrganizationId

_FORM: Final = 1
CHAINED: Final = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_label",
    "action",
    "target_kind",
    "target_id",
    "before",
    "after",
    "request_id",
    "remote_addr",
)
"""Every column of a row but its organization, which is in the form's head."""


def genesis(organization_id: OrganizationId) -> bytes:
    """What the first row is linked to: no two organizations have a link in common."""
    return hashlib.sha256(b"strata audit chain" + organization_id.bytes).digest()


def link(previous: bytes, organization_id: OrganizationId, seq: int, row: Mapping[str, object]) -> bytes:
    return hashlib.sha256(previous + canonical(organization_id, seq, row)).digest()


def canonical(organization_id: OrganizationId, seq: int, row: Mapping[str, object]) -> bytes:
    """The same bytes for the same row, for ever and for anybody: sorted keys, ASCII, times in UTC to the microsecond.
    Numbers are what JSON readers make of them, so a change past a double's precision is none."""
    document = {"form": _FORM, "organization_id": str(organization_id), "seq": seq}
    document |= {name: _plain(row[name]) for name in CHAINED}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value) if isinstance(value, UUID) else value
