"""Users of an older system: how one of their rows is read. Pure; nothing is left out."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from strata_core.access.rules import folded_email
from strata_core.people.rules import check_avatar, check_person_name
from strata_core.ports.secret_box import SecretPlace
from strata_core.secret_names import is_secret_name
from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import LEGACY_COLUMNS, NAME_LENGTH

_BIGINT: Final = 2**63
_ARGON2: Final = "$argon2id$"


@dataclass(frozen=True, slots=True)
class LegacyUser:
    """`columns` is the row as it came, but for what looks like a secret, which is in `secrets`."""

    legacy_id: int
    email: str
    name: str
    avatar_url: str | None
    plan: str
    role: str | None
    created_at: datetime | None
    last_login_at: datetime | None
    login_count: int
    password_hash: str | None = field(repr=False)
    columns: Mapping[str, object]
    secrets: Mapping[str, object] = field(repr=False)


def secrets_place(organization_id: OrganizationId, source: str, legacy_id: int) -> SecretPlace:
    """A mapping has no id of its own: one is made from what names it."""
    row_id = UUID(bytes=hashlib.sha256(f"{source}/{legacy_id}".encode()).digest()[:16])
    return SecretPlace(organization_id, "legacy_users", "secrets_sealed", row_id)


def legacy_user(row: Mapping[str, object]) -> LegacyUser:
    """Raises InvalidError, which names the columns that cannot be used and repeats no value."""
    if len(row) > LEGACY_COLUMNS:
        raise InvalidError(f"more than {LEGACY_COLUMNS} columns", code="bad_row")
    given = {name: value for name, value in row.items() if value is not None and value != ""}
    hashed = given.get("password_hash")
    return LegacyUser(
        legacy_id=_id(given.get("id")),
        email=folded_email(str(given.get("email", ""))),
        name=check_person_name(str(given.get("name", ""))),
        avatar_url=_avatar(given.get("avatar_url", given.get("avatar"))),
        plan=_plan(given.get("plan")),
        role=None if "role" not in given else str(given["role"]),
        created_at=_instant("created_at", given.get("created_at")),
        last_login_at=_instant("last_login_at", given.get("last_login_at")),
        login_count=_count(given.get("login_count", 0)),
        # Another kind of hash is kept among the secrets: its owner sets a new password.
        password_hash=hashed if isinstance(hashed, str) and hashed.startswith(_ARGON2) else None,
        columns={name: value for name, value in row.items() if not is_secret_name(name)},
        secrets={name: value for name, value in row.items() if is_secret_name(name) and value is not None},
    )


def _id(value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise _bad("id", "expected an integer") from None
    if isinstance(value, bool) or not -_BIGINT <= number < _BIGINT:
        raise _bad("id", "expected an integer of at most 64 bits")
    return number


def _count(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text) < 2**31):
        raise _bad("login_count", "expected a number")
    return int(text)


def _plan(value: object) -> str:
    plan = "free" if value is None else str(value).strip()
    if not 1 <= len(plan) <= NAME_LENGTH or not plan.isprintable():
        raise _bad("plan", "expected a word")
    return plan


def _avatar(value: object) -> str | None:
    """What cannot be shown stays among the columns."""
    try:
        return None if value is None else check_avatar(str(value))
    except InvalidError:
        return None


def _instant(name: str, value: object) -> datetime | None:
    """RFC 3339, taken for UTC when it does not say."""
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        raise _bad(name, "expected a time such as 2024-05-01T12:00:00Z") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _bad(column: str, reason: str) -> InvalidError:
    return InvalidError(f"{column}: {reason}", code="bad_row", problems=[Problem(column, reason)])
