"""What an evaluation means: values and remembered state in, the next state and its reason out."""

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from strata_datamodel.alerting import Comparison, Condition, Rule, SeriesState, StateRow, Verdict

UNWATCHED_TOLERANCE_S: Final = 10
"""A busy evaluator skips slots of rules with short intervals."""

_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
}


class Effect(StrEnum):
    """What happens to the alert, if anything does."""

    NONE = "none"
    OPEN = "open"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Decision:
    state: SeriesState
    effect: Effect
    pending_since: datetime | None
    firing_since: datetime | None
    reason: str


def slot_of(instant: datetime, interval_s: int) -> datetime:
    """The newest multiple of the interval not after `instant`: all workers evaluate at the same instants."""
    seconds = int(instant.timestamp())
    return datetime.fromtimestamp(seconds - seconds % interval_s, UTC)


def next_slot(instant: datetime, interval_s: int) -> datetime:
    """After an outage the missed slots are skipped: the newest answer is the one that matters."""
    return slot_of(instant, interval_s) + timedelta(seconds=interval_s)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Names one series of a rule, the same in every process and for ever."""
    digest = hashlib.sha256()
    for key in sorted(labels):
        for part in (key, labels[key]):
            raw = part.encode()
            digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()[:32]


def verdict_of(condition: Condition, value: float | None, threshold: float | None) -> Verdict:
    """`threshold` is what the value is measured by, wherever it comes from. Without one nothing is known."""
    if value is None or threshold is None:
        return Verdict.NO_DATA
    return Verdict.FIRING if _COMPARE[condition.comparison](value, threshold) else Verdict.OK


def decide(rule: Rule, before: StateRow | None, verdict: Verdict, at: datetime) -> Decision:
    """Only an `ok` evaluation resolves: a series or a store that fell silent proves nothing about the machine.

    Time over the threshold is time that was watched. When more than two intervals and `UNWATCHED_TOLERANCE_S` lie
    between the series' last evaluation and this one, or time went backwards, then nobody knows what was in between, be
    it the worker or the store that was away: waiting starts anew. One missed evaluation does not count as that. What is
    open stays open."""
    is_open = before is not None and before.alert_id is not None
    firing_since = before.firing_since if before else None
    pending_since = before.pending_since if before else None
    if verdict is Verdict.FIRING:
        if is_open:
            return Decision(SeriesState.FIRING, Effect.NONE, None, firing_since, "still over the threshold")
        since = at if pending_since is None or _was_unwatched(rule, before, at) else pending_since
        if at - since >= timedelta(seconds=rule.for_s):
            return Decision(SeriesState.FIRING, Effect.OPEN, None, at, f"over the threshold for {rule.for_s} s")
        return Decision(SeriesState.PENDING, Effect.NONE, since, None, f"over the threshold, waiting {rule.for_s} s")
    if verdict is Verdict.OK:
        effect = Effect.RESOLVE if is_open else Effect.NONE
        return Decision(SeriesState.OK, effect, None, None, "back within the threshold" if is_open else "within")
    if verdict is Verdict.NO_DATA:
        # Waiting starts anew: an unobserved stretch must not count as time over the threshold.
        reason = "no points, or no threshold, in the window: what is open stays open"
        return Decision(SeriesState.NO_DATA, Effect.NONE, None, firing_since, reason)
    reason = "the store did not answer: what is open or waiting stays so"
    return Decision(SeriesState.ERROR, Effect.NONE, pending_since, firing_since, reason)


def _was_unwatched(rule: Rule, before: StateRow | None, at: datetime) -> bool:
    if before is None:
        return False
    longest = timedelta(seconds=2 * rule.interval_s + UNWATCHED_TOLERANCE_S)
    return not timedelta(0) <= at - before.last_evaluated_at <= longest


def summary_of(rule: Rule, labels: Mapping[str, str], value: float, threshold: float) -> str:
    where = ", ".join(f"{key}={labels[key]}" for key in sorted(labels))
    condition = rule.condition
    measured = f"{condition.aggregate}({condition.measurement}.{condition.field}) = {value:g}"
    against = f"{threshold:g}" if condition.threshold_field is None else f"{condition.threshold_field} = {threshold:g}"
    text = f"{rule.name}: {measured} {condition.comparison.value} {against}"
    return f"{text} ({where})" if where else text
