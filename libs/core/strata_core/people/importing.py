"""Taking users of an older system over: each gets an id of ours, and the way from the old id to it is kept."""

from enum import StrEnum

import orjson
from sqlalchemy import and_, insert, select, update

from strata_core.access.password_rows import keep_password_hash
from strata_core.audit.commands import record
from strata_core.bound_unit import BoundUnit
from strata_core.context import Context
from strata_core.members.membership_rows import add_member
from strata_core.members.queries import membership_of_user
from strata_core.members.rules import check_role
from strata_core.new_ids import new_id
from strata_core.people.legacy import LegacyUser, secrets_place
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError
from strata_datamodel.ids import UserId
from strata_datamodel.tables.people import legacy_users
from strata_datamodel.tables.users import users


class Outcome(StrEnum):
    CREATED = "created"
    LINKED = "linked"  # the address has an account, which stays as it is
    UPDATED = "updated"  # taken over before; the kept row follows the file, the account does not
    UNCHANGED = "unchanged"


def import_user(
    ctx: Context, uow: UnitOfWork, box: SecretBox, source: str, legacy: LegacyUser, *, role: str
) -> Outcome:
    """In a system-wide unit. Safe to repeat. `role` is for rows that name none. Raises ConflictError when another row
    of this source has the address: two old ids must not become one person in silence."""
    bound = BoundUnit(uow, ctx.organization_id)
    wanted = check_role(legacy.role or role)
    mapping = legacy_users.c
    here = and_(
        mapping.organization_id == ctx.organization_id, mapping.source == source, mapping.legacy_id == legacy.legacy_id
    )
    known = uow.execute(select(legacy_users).where(here).with_for_update()).mappings().one_or_none()
    if known is not None:
        if known["columns"] == legacy.columns and _secrets(box, ctx, source, legacy, known["secrets_sealed"]):
            return Outcome.UNCHANGED
        sealed = _sealed(box, ctx, source, legacy)
        changes = {"columns": legacy.columns, "secrets_sealed": sealed, "updated_at": uow.now()}
        uow.execute(update(legacy_users).where(here).values(**changes))
        _tell(ctx, bound, UserId(known["user_id"]), source, legacy, "user.legacy_row_changed")
        return Outcome.UPDATED
    user_id, outcome = _account(uow, legacy)
    same_person = and_(
        mapping.organization_id == ctx.organization_id, mapping.source == source, mapping.user_id == user_id
    )
    other = uow.execute(select(mapping.legacy_id).where(same_person)).scalar_one_or_none()
    if other is not None:
        raise ConflictError(f"the address is that of id {other} already", code="legacy_address_taken")
    uow.execute(
        insert(legacy_users),
        {
            "organization_id": ctx.organization_id,
            "source": source,
            "legacy_id": legacy.legacy_id,
            "user_id": user_id,
            "columns": dict(legacy.columns),
            "secrets_sealed": _sealed(box, ctx, source, legacy),
            "imported_at": uow.now(),
            "updated_at": uow.now(),
        },
    )
    _tell(ctx, bound, user_id, source, legacy, "user.imported")
    if membership_of_user(bound, user_id) is None:
        add_member(ctx, bound, user_id, email=legacy.email, role=wanted, action="member.imported")
    return outcome


def _account(uow: UnitOfWork, legacy: LegacyUser) -> tuple[UserId, Outcome]:
    known = uow.execute(select(users.c.id).where(users.c.email == legacy.email)).scalar_one_or_none()
    if known is not None:
        return UserId(known), Outcome.LINKED
    user_id = UserId(new_id(uow))
    row = {
        "id": user_id,
        "email": legacy.email,
        "name": legacy.name,
        "avatar_url": legacy.avatar_url,
        "plan": legacy.plan,
        "last_login_at": legacy.last_login_at,
        "login_count": legacy.login_count,
        "created_at": legacy.created_at or uow.now(),
        "updated_at": uow.now(),
    }
    uow.execute(insert(users), row)
    if legacy.password_hash is not None:
        keep_password_hash(uow, user_id, legacy.password_hash)
    return user_id, Outcome.CREATED


def _sealed(box: SecretBox, ctx: Context, source: str, legacy: LegacyUser) -> bytes | None:
    if not legacy.secrets:
        return None
    return box.seal(secrets_place(ctx.organization_id, source, legacy.legacy_id), _bytes(legacy))


def _secrets(box: SecretBox, ctx: Context, source: str, legacy: LegacyUser, kept: bytes | None) -> bool:
    """Whether the kept secrets are those of the row."""
    if kept is None or not legacy.secrets:
        return kept is None and not legacy.secrets
    return box.open(secrets_place(ctx.organization_id, source, legacy.legacy_id), bytes(kept)) == _bytes(legacy)


def _bytes(legacy: LegacyUser) -> bytes:
    return orjson.dumps(legacy.secrets, option=orjson.OPT_SORT_KEYS)


def _tell(ctx: Context, bound: BoundUnit, user_id: UserId, source: str, legacy: LegacyUser, action: str) -> None:
    after = {"email": legacy.email, "source": source, "legacy_id": legacy.legacy_id}
    record(ctx, bound, action, "user", str(user_id), after=after)
