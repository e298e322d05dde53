"""A rule as a user writes it, and what has to be true of it."""

from math import isfinite
from typing import Final
from uuid import UUID

import msgspec

from strata_core.alerting.questions import question_of, threshold_question_of
from strata_core.metrics.rules import check_query
from strata_datamodel.alerting import Condition, Severity
from strata_datamodel.errors import InvalidError, LimitError, Problem
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import (
    NAME_BYTES,
    NAME_LENGTH,
    QUERY_FILTERS,
    QUERY_GROUP_TAGS,
    REGEX_LENGTH,
    RULE_FOR_SECONDS,
    RULE_INTERVAL_SECONDS_MAX,
    RULE_INTERVAL_SECONDS_MIN,
    RULE_LABELS,
    RULE_WINDOW_IN_INTERVALS,
    RULE_WINDOW_SECONDS,
)
from strata_datamodel.metrics import AGGREGATE_NAMES, Aggregate, FilterOp, aggregate_named

_OF_HOW_OFTEN: Final = (Aggregate.COUNT, Aggregate.DISTINCT, Aggregate.RATE)
"""Say nothing of the field's size: two fields that are sent together always have the same."""


class RuleDraft(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    condition: Condition
    description: str = ""
    is_enabled: bool = True
    severity: Severity = Severity.WARNING
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    for_s: int = 0
    interval_s: int = 60


def checked_draft(draft: RuleDraft) -> RuleDraft:
    """The draft, or InvalidError (code `bad_rule`) with every problem at its place."""
    condition = draft.condition
    problems = [
        *_within("/name", len(draft.name.strip()), 1, NAME_LENGTH, "characters"),
        *_within("/description", len(draft.description), 0, 4_096, "characters"),
        *_within("/for_s", draft.for_s, 0, RULE_FOR_SECONDS, "seconds"),
        *_within("/interval_s", draft.interval_s, RULE_INTERVAL_SECONDS_MIN, RULE_INTERVAL_SECONDS_MAX, "seconds"),
        *_within("/labels", len(draft.labels), 0, RULE_LABELS, "labels"),
        *_within("/condition/window_s", condition.window_s, 1, RULE_WINDOW_SECONDS, "seconds"),
        *_within("/condition/measurement", len(condition.measurement.encode()), 1, NAME_BYTES, "bytes"),
        *_within("/condition/field", len(condition.field.encode()), 1, NAME_BYTES, "bytes"),
        *_within("/condition/filters", len(condition.filters), 0, QUERY_FILTERS, "filters"),
        *_within("/condition/group_by", len(condition.group_by), 0, QUERY_GROUP_TAGS, "tags"),
        *_asked_too_often(draft),
        *_without_threshold(condition),
    ]
    if aggregate_named(condition.aggregate) is None:
        problems.append(Problem("/condition/aggregate", f"one of {', '.join(AGGREGATE_NAMES)}, p1 to p99"))
    for number, item in enumerate(condition.filters):
        where = f"/condition/filters/{number}"
        if item.op not in set(FilterOp):
            problems.append(Problem(f"{where}/op", f"one of {', '.join(FilterOp)}"))
        elif not item.values or (item.op != FilterOp.IN and len(item.values) != 1):
            problems.append(Problem(f"{where}/values", "one value; `in` takes one or more"))
        elif any(len(value) > REGEX_LENGTH for value in item.values):
            problems.append(Problem(f"{where}/values", f"at most {REGEX_LENGTH} characters"))
    for key, value in draft.labels.items():
        if not 1 <= len(key) <= NAME_LENGTH or len(value) > NAME_LENGTH:
            problems.append(Problem(f"/labels/{key[:40]}", f"names and values of at most {NAME_LENGTH} characters"))
    problems = problems or _as_question(condition)
    if problems:
        raise InvalidError("the rule cannot work as it is", code="bad_rule", problems=problems)
    return draft


def _as_question(condition: Condition) -> list[Problem]:
    """What the store would say at each evaluation is better said now."""
    nobody = OrganizationId(UUID(int=0))
    try:
        check_query(question_of(condition, nobody, end_s=0))
        if (thresholds := threshold_question_of(condition, nobody, end_s=0)) is not None:
            check_query(thresholds)
    except (InvalidError, LimitError) as error:
        return [Problem("/condition", error.detail)]
    return []


def _without_threshold(condition: Condition) -> list[Problem]:
    threshold, name = condition.threshold, condition.threshold_field
    if (threshold is None) == (name is None):
        return [Problem("/condition/threshold", "one of threshold and threshold_field")]
    if threshold is not None:
        return [] if isfinite(threshold) else [Problem("/condition/threshold", "must be a finite number")]
    if name == condition.field:
        return [Problem("/condition/threshold_field", "another field than the one that is watched")]
    if condition.aggregate in _OF_HOW_OFTEN:
        return [Problem("/condition/aggregate", f"{condition.aggregate} of a threshold is no threshold")]
    return _within("/condition/threshold_field", len(str(name).encode()), 1, NAME_BYTES, "bytes")


def _asked_too_often(draft: RuleDraft) -> list[Problem]:
    window_s = draft.condition.window_s
    if window_s <= RULE_WINDOW_IN_INTERVALS * max(draft.interval_s, 1):
        return []
    least = -(-window_s // RULE_WINDOW_IN_INTERVALS)
    return [Problem("/interval_s", f"with a window of {window_s} s at least {least} seconds")]


def _within(where: str, value: int, low: int, high: int, unit: str) -> list[Problem]:
    return [] if low <= value <= high else [Problem(where, f"has {value}, must be {low} to {high} {unit}")]
