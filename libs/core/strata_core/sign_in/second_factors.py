"""Enrolling, using and removing a second factor. In the person's own unit."""

from dataclasses import dataclass, field

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.ports.secret_box import SecretPlace
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.announcing import announce
from strata_core.sign_in.recovery_codes import drop_recovery_codes
from strata_core.sign_in.totp import matching_step
from strata_core.sign_in.visits import Visit
from strata_datamodel.errors import ConflictError, NotFoundError
from strata_datamodel.ids import PEOPLE, UserId
from strata_datamodel.tables.sign_in import passkeys, totp_secrets


@dataclass(frozen=True, slots=True)
class TotpSecret:
    sealed: bytes = field(repr=False)
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """What a person has. Recovery codes are a way out, no factor of their own."""

    has_totp: bool
    passkey_count: int

    def __bool__(self) -> bool:
        return self.has_totp or self.passkey_count > 0

    @property
    def methods(self) -> tuple[str, ...]:
        totp = ("totp",) if self.has_totp else ()
        return (*totp, *(("passkey",) if self.passkey_count else ()), "recovery_code")


def totp_place(user_id: UserId) -> SecretPlace:
    return SecretPlace(PEOPLE, "totp_secrets", "secret_sealed", user_id)


def second_factors_of(uow: UnitOfWork, user_id: UserId) -> SecondFactors:
    totp = totp_secret_of(uow, user_id)
    keys = uow.execute(select(passkeys.c.id).where(passkeys.c.user_id == user_id)).all()
    return SecondFactors(has_totp=totp is not None and totp.is_confirmed, passkey_count=len(keys))


def totp_secret_of(uow: UnitOfWork, user_id: UserId) -> TotpSecret | None:
    row = uow.execute(select(totp_secrets).where(totp_secrets.c.user_id == user_id)).one_or_none()
    return None if row is None else TotpSecret(row.secret_sealed, row.confirmed_at is not None)


def begin_totp(uow: UnitOfWork, user_id: UserId, sealed: bytes) -> None:
    """Takes the place of one that was never confirmed. Raises ConflictError (code `totp_enrolled`)."""
    fresh = {"secret_sealed": sealed, "created_at": uow.now(), "last_used_step": None}
    statement = (
        insert(totp_secrets)
        .values(user_id=user_id, **fresh)
        .on_conflict_do_update(
            index_elements=[totp_secrets.c.user_id], set_=fresh, where=totp_secrets.c.confirmed_at.is_(None)
        )
        .returning(totp_secrets.c.user_id)
    )
    if uow.execute(statement).one_or_none() is None:
        raise ConflictError("an authenticator app is enrolled already", code="totp_enrolled", hint="remove it first")


def confirm_totp(uow: UnitOfWork, user_id: UserId, visit: Visit, *, sealed: bytes, secret: bytes, code: str) -> bool:
    """`secret` is what `sealed` opened to; one that was replaced meanwhile confirms nothing."""
    row = uow.execute(select(totp_secrets).where(totp_secrets.c.user_id == user_id).with_for_update()).one_or_none()
    if row is None or row.secret_sealed != sealed:
        raise NotFoundError("no authenticator app is being enrolled", code="totp_not_begun", hint="begin again")
    if row.confirmed_at is not None:
        raise ConflictError("the authenticator app is confirmed already", code="totp_enrolled")
    step = matching_step(secret, code, uow.now(), None)
    if step is None:
        return False
    uow.execute(
        update(totp_secrets)
        .where(totp_secrets.c.user_id == user_id)
        .values(confirmed_at=uow.now(), last_used_step=step)
    )
    announce(uow, user_id, visit, "totp.enrolled")
    return True


def use_totp(uow: UnitOfWork, user_id: UserId, *, sealed: bytes, secret: bytes, code: str) -> bool:
    """Each code once: of two uses at once, the second finds the step used."""
    row = uow.execute(select(totp_secrets).where(totp_secrets.c.user_id == user_id).with_for_update()).one_or_none()
    if row is None or row.confirmed_at is None or row.secret_sealed != sealed:
        return False
    step = matching_step(secret, code, uow.now(), row.last_used_step)
    if step is None:
        return False
    uow.execute(update(totp_secrets).where(totp_secrets.c.user_id == user_id).values(last_used_step=step))
    return True


def remove_totp(uow: UnitOfWork, user_id: UserId, visit: Visit) -> None:
    """Raises NotFoundError. Without any factor left, recovery codes have nothing to recover."""
    removed = uow.execute(
        delete(totp_secrets).where(totp_secrets.c.user_id == user_id).returning(totp_secrets.c.user_id)
    )
    if removed.one_or_none() is None:
        raise NotFoundError("no authenticator app is enrolled", code="totp_not_enrolled")
    announce(uow, user_id, visit, "totp.removed")
    drop_codes_without_factor(uow, user_id)


def drop_codes_without_factor(uow: UnitOfWork, user_id: UserId) -> None:
    if not second_factors_of(uow, user_id):
        drop_recovery_codes(uow, user_id)
