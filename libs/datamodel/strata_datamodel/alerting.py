"""Rules, their states, alerts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from strata_datamodel.ids import AlertId, RuleId


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Comparison(StrEnum):
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    EQ = "=="
    NE = "!="


class Verdict(StrEnum):
    """What one evaluation says of one series."""

    OK = "ok"
    FIRING = "firing"
    NO_DATA = "no_data"
    ERROR = "error"


class SeriesState(StrEnum):
    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    NO_DATA = "no_data"
    ERROR = "error"


class AlertStatus(StrEnum):
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class ConditionFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tag: str
    op: str
    values: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`aggregate` of `field` over the last `window_s`, a value per combination of `group_by`, against `threshold`, or
    against the same aggregate of `threshold_field` of the same combination: one of the two is given."""

    measurement: str
    field: str
    aggregate: str
    comparison: Comparison
    window_s: int
    threshold: float | None = None
    threshold_field: str | None = None
    filters: tuple[ConditionFilter, ...] = ()
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    rule_id: RuleId
    name: str
    description: str
    severity: Severity
    condition: Condition
    labels: Mapping[str, str]
    for_s: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class StateRow:
    """What is remembered of one series of one rule between evaluations."""

    fingerprint: str
    labels: Mapping[str, str]
    state: SeriesState
    pending_since: datetime | None
    firing_since: datetime | None
    alert_id: AlertId | None
    last_evaluated_at: datetime
    last_value: float | None


@dataclass(frozen=True, slots=True)
class DueRule:
    """A rule claimed for one evaluation at `slot`, in the `version` it then had. It is due again at `claimed_until`."""

    organization_id: UUID
    rule: Rule
    slot: datetime
    version: int
    claimed_until: datetime
