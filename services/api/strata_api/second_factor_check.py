"""Checks a typed code: of an authenticator app, or one from paper."""

from collections.abc import Callable
from dataclasses import dataclass

from strata_api.api_deps import ApiDeps
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.sign_in.announcing import announce
from strata_core.sign_in.recovery_codes import use_recovery_code
from strata_core.sign_in.second_factors import totp_place, totp_secret_of, use_totp
from strata_core.sign_in.totp import looks_like_code
from strata_core.sign_in.visits import Visit
from strata_datamodel.ids import UserId

CodeCheck = Callable[[UnitOfWork], bool]
"""To be called in the person's unit: true once for a code, which is then used up."""


@dataclass(frozen=True, slots=True)
class TypedCode:
    user_id: UserId
    code: str
    visit: Visit

    def check_with(self, deps: ApiDeps) -> CodeCheck:
        """Opens the secret now, as that has transactions of its own."""
        if not looks_like_code(self.code):
            return self._from_paper
        with deps.units.person(self.user_id) as uow:
            stored = totp_secret_of(uow, self.user_id)
        if stored is None or not stored.is_confirmed:
            return lambda _: False
        secret = deps.secret_box.open(totp_place(self.user_id), stored.sealed)
        return lambda uow: use_totp(uow, self.user_id, sealed=stored.sealed, secret=secret, code=self.code)

    def _from_paper(self, uow: UnitOfWork) -> bool:
        if not use_recovery_code(uow, self.user_id, self.code):
            return False
        announce(uow, self.user_id, self.visit, "recovery_code.used")
        return True
