"""What a transaction is bound to: settings that row security reads."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from strata_datamodel.ids import OrganizationId, UserId

SETTINGS: Final = ("organization_id", "user_id", "credential", "system", "clock_offset")
"""All of them are set, each time, and for this transaction only: nothing that an earlier one set can be left over."""


@dataclass(frozen=True, slots=True)
class Scope:
    organization_id: OrganizationId | None = None
    user_id: UserId | None = None
    credential: str = ""
    is_system: bool = False

    def settings(self, offset: timedelta) -> dict[str, str]:
        return {
            "organization_id": str(self.organization_id or ""),
            "user_id": str(self.user_id or ""),
            "credential": self.credential,
            "system": "on" if self.is_system else "",
            "clock_offset": f"{offset // timedelta(microseconds=1)} microseconds" if offset else "",
        }
