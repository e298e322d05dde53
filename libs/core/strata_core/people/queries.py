"""What a person sees of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import NotFoundError
from strata_datamodel.ids import UserId
from strata_datamodel.tables.users import users


@dataclass(frozen=True, slots=True)
class Profile:
    id: UserId
    email: str
    email_verified_at: datetime | None
    name: str
    avatar_url: str | None
    plan: str
    last_login_at: datetime | None
    login_count: int
    created_at: datetime
    updated_at: datetime
    version: int


def profile_of(uow: UnitOfWork, user_id: UserId, *, lock: bool = False) -> Profile:
    """In the person's unit."""
    wanted = select(users).where(users.c.id == user_id)
    row = uow.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("there is no such user")
    return _profile(row)


def _profile(row: Mapping[Any, Any]) -> Profile:
    return Profile(**{name: row[name] for name in Profile.__slots__})
