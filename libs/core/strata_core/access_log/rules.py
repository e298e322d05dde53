"""Which reads are logged, and for how long."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from strata_datamodel.limits import ACCESS_LOG_DAYS, ACCESS_LOG_DAYS_MAX

QUERY: Final = "query"
RETENTION_SETTING: Final = "access_log_retention_days"

LOGGED: Final[Mapping[str, str]] = {
    "members:read": "personal data",
    "users:read": "personal data",
    "audit_log:read": "audit",
    "metrics:read": QUERY,
    "logs:read": QUERY,
}
"""By the permission that a route requires, so that a new route of such a kind is logged without asking for it."""


TOGETHER: Final = timedelta(minutes=1)


def may_join(purpose: str, first_at: datetime, at: datetime) -> bool:
    """Whether a read may be counted with an earlier one that is alike and not written yet. Panels are asked for over
    and over; each read of personal data or of the audit log stands for itself."""
    return purpose == QUERY and timedelta(0) <= at - first_at < TOGETHER


def purpose_of(permission: str) -> str | None:
    return LOGGED.get(permission)


def retention_days(settings: Mapping[str, object]) -> int:
    """What cannot be a number of days is as if it were not there."""
    days = settings.get(RETENTION_SETTING)
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= ACCESS_LOG_DAYS_MAX:
        return ACCESS_LOG_DAYS
    return days
