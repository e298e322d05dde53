"""One rule, one slot: claim it, ask the store outside any transaction, apply the answer in one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, cast
from uuid import UUID

import msgspec
from sqlalchemy import Select, and_, case, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from strata_core.alerting.commands import open_alert, settle_alert
from strata_core.alerting.questions import question_of, threshold_question_of
from strata_core.alerting.rules import Decision, Effect, decide, fingerprint, next_slot, slot_of, summary_of, verdict_of
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.alerting import Condition, DueRule, Rule, SeriesState, Severity, StateRow, Verdict
from strata_datamodel.ids import AlertId, OrganizationId, RuleId
from strata_datamodel.limits import RULES_PER_PASS
from strata_datamodel.metrics import MetricAnswer, MetricQuery
from strata_datamodel.tables.alerting import alert_rules, alert_states
from strata_datamodel.tables.organizations import organizations

LAG_S: Final = 2
"""Windows end this long before their slot, so that points on their way are counted in the right one."""


LEASE: Final = timedelta(seconds=60)
"""A rule that was claimed and not evaluated in this time is due again: a daily one must not wait for tomorrow."""


_NONE_UNDER_WAY: Final[Mapping[OrganizationId, int]] = MappingProxyType({})
_PASSED_OVER: Final = 64
"""More are looked at than claimed, as other workers may be claiming some of them this instant."""


def claim_due_rules(
    uow: UnitOfWork,
    limit: int = RULES_PER_PASS,
    *,
    per_organization: int = RULES_PER_PASS,
    under_way: Mapping[OrganizationId, int] = _NONE_UNDER_WAY,
) -> list[DueRule]:
    """In a system unit. A worker that dies now costs a slot or a minute, whichever is less, never a rule. Organizations
    take turns: who has the fewest `under_way` is next, however long the line of another is; none gets more than
    `per_organization`, those under way counted."""
    now = uow.now()
    line = _line(now, per_organization, under_way).limit(limit + _PASSED_OVER)
    # Materialized, so that the few that are next are then found by their key.
    turns = line.cte("turns").prefix_with("MATERIALIZED", dialect="postgresql")
    due = (
        select(alert_rules)
        .join(turns, and_(turns.c.organization_id == alert_rules.c.organization_id, turns.c.id == alert_rules.c.id))
        # Looked at again under the lock: another worker may have claimed it since.
        .where(alert_rules.c.is_enabled, alert_rules.c.next_due_at <= now)
        .order_by(turns.c.turn, alert_rules.c.next_due_at)
        .limit(limit)
        .with_for_update(of=alert_rules, skip_locked=True)
    )
    claimed = [_due_rule(dict(row), now) for row in uow.execute(due).mappings()]
    for item in claimed:
        uow.execute(
            update(alert_rules)
            .where(alert_rules.c.organization_id == item.organization_id, alert_rules.c.id == item.rule.rule_id)
            .values(next_due_at=item.claimed_until)
        )
    return claimed


def release_rules(uow: UnitOfWork, claimed: Sequence[DueRule]) -> None:
    """In a system unit. Due at once for whoever looks next: what was claimed and is not going to be evaluated."""
    for item in claimed:
        uow.execute(
            update(alert_rules)
            .where(alert_rules.c.organization_id == item.organization_id, alert_rules.c.id == item.rule.rule_id)
            .where(alert_rules.c.next_due_at == item.claimed_until)
            .values(next_due_at=uow.now())
        )


def _line(
    now: datetime, per_organization: int, under_way: Mapping[OrganizationId, int]
) -> Select[tuple[UUID, UUID, int]]:
    """Due rules, the first of each organization before the second of any. Of each organization its few oldest are
    looked up, so that nobody's long line is read: a backlog must not make finding the next rule slower."""
    r = alert_rules.c
    held = [(organizations.c.id == organization_id, count) for organization_id, count in under_way.items()]
    oldest = (
        select(r.id, r.next_due_at, func.row_number().over(order_by=r.next_due_at).label("place"))
        .where(r.organization_id == organizations.c.id, r.is_enabled, r.next_due_at <= now)
        .order_by(r.next_due_at)
        .limit(per_organization)
        .correlate(organizations)
        .lateral("oldest")
    )
    turn = (oldest.c.place + (case(*held, else_=0) if held else 0)).label("turn")
    is_any_due = select(1).where(r.is_enabled, r.next_due_at <= now).exists()
    wanted = select(organizations.c.id.label("organization_id"), oldest.c.id, turn).join(oldest, true())
    wanted = wanted.where(organizations.c.status == "active", turn <= per_organization, is_any_due)
    return wanted.order_by(turn, oldest.c.next_due_at)


def recall_rules(uow: UnitOfWork) -> int:
    """In a system unit. No rule is ever due later than its interval from now, unless the clock was put back: then it is
    due at once, for nobody would notice that it is not evaluated. Returns how many."""
    now = uow.now()
    latest = now + func.make_interval(0, 0, 0, 0, 0, 0, func.greatest(alert_rules.c.interval_s, LEASE.total_seconds()))
    ahead = update(alert_rules).where(alert_rules.c.is_enabled, alert_rules.c.next_due_at > latest)
    return uow.execute(ahead.values(next_due_at=now)).rowcount


def query_of(due: DueRule) -> MetricQuery:
    return question_of(due.rule.condition, OrganizationId(due.organization_id), _end_s(due))


def threshold_query_of(due: DueRule) -> MetricQuery | None:
    """None when the rule has its threshold in itself."""
    return threshold_question_of(due.rule.condition, OrganizationId(due.organization_id), _end_s(due))


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`is_new`: the rule's result is another than that of its last evaluation."""

    result: Verdict
    opened: int
    resolved: int
    is_new: bool


_DROPPED: Final = Evaluated(Verdict.NO_DATA, 0, 0, is_new=False)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the store says of one combination of the grouped tags."""

    labels: Mapping[str, str]
    value: float | None = None
    threshold: float | None = None


def apply_answer(
    ctx: Context, uow: UnitOfWork, due: DueRule, answer: MetricAnswer, thresholds: MetricAnswer | None = None
) -> Evaluated:
    """States, alerts, audit and events of this slot, in the caller's transaction. An older slot than the newest that
    was applied changes nothing, so that doubled evaluators cannot both act; nor does the answer to a rule that was
    changed or deleted since it was claimed. `thresholds` answers `threshold_query_of`."""
    last = _last_result(ctx, uow, due)
    if last is None:
        return _DROPPED
    now = uow.now()
    before = _states(ctx, uow, due.rule.rule_id)
    readings = _readings(due.rule.condition, answer, thresholds)
    verdicts: list[Verdict] = []
    opened = resolved = 0
    for key in sorted(readings.keys() | before.keys()):
        state = before.get(key)
        # One of the future was left by a clock that was put back since.
        if state is not None and due.slot <= state.last_evaluated_at <= now:
            continue
        reading = readings.get(key) or _Reading(state.labels if state else {})
        verdict = verdict_of(due.rule.condition, reading.value, reading.threshold)
        decision = decide(due.rule, state, verdict, due.slot)
        alert_id = _apply(ctx, uow, due.rule, key, reading, state, decision)
        _remember(ctx, uow, due, key, reading, decision, alert_id)
        verdicts.append(verdict)
        opened += decision.effect is Effect.OPEN
        resolved += decision.effect is Effect.RESOLVE
    result = _worst(verdicts)
    _note_result(ctx, uow, due, result, None)
    return Evaluated(result, opened, resolved, is_new=result != last)


def apply_failure(ctx: Context, uow: UnitOfWork, due: DueRule, reason: str) -> Evaluated:
    """The store did not answer: nothing fires, nothing resolves, what is open stays open."""
    last = _last_result(ctx, uow, due)
    if last is None:
        return _DROPPED
    _note_result(ctx, uow, due, Verdict.ERROR, reason[:500])
    return Evaluated(Verdict.ERROR, 0, 0, is_new=last != Verdict.ERROR)


def _end_s(due: DueRule) -> int:
    return int(due.slot.timestamp()) - LAG_S


def _due_rule(row: Mapping[str, object], now: datetime) -> DueRule:
    rule = Rule(
        rule_id=RuleId(cast("UUID", row["id"])),
        name=str(row["name"]),
        description=str(row["description"]),
        severity=Severity(str(row["severity"])),
        condition=msgspec.convert(row["condition"], Condition),
        labels=msgspec.convert(row["labels"], dict[str, str]),
        for_s=msgspec.convert(row["for_s"], int),
        interval_s=msgspec.convert(row["interval_s"], int),
    )
    return DueRule(
        organization_id=cast("UUID", row["organization_id"]),
        rule=rule,
        slot=slot_of(now, rule.interval_s),
        version=msgspec.convert(row["version"], int),
        claimed_until=min(next_slot(now, rule.interval_s), now + LEASE),
    )


def _last_result(ctx: Context, uow: UnitOfWork, due: DueRule) -> str | None:
    """Empty before the first; None when the rule is not what it was when it was claimed. Its row is the lock:
    evaluators of one rule and those who change or resolve by hand take turns."""
    here = and_(alert_rules.c.organization_id == ctx.organization_id, alert_rules.c.id == due.rule.rule_id)
    wanted = select(alert_rules.c.last_result).where(here, alert_rules.c.version == due.version)
    row = uow.execute(wanted.with_for_update()).one_or_none()
    return None if row is None else str(row.last_result or "")


def _states(ctx: Context, uow: UnitOfWork, rule_id: RuleId) -> dict[str, StateRow]:
    rows = uow.execute(
        select(alert_states).where(
            alert_states.c.organization_id == ctx.organization_id, alert_states.c.rule_id == rule_id
        )
    )
    return {
        row.fingerprint: StateRow(
            fingerprint=row.fingerprint,
            labels=row.labels,
            state=SeriesState(row.state),
            pending_since=row.pending_since,
            firing_since=row.firing_since,
            alert_id=row.alert_id,
            last_evaluated_at=row.last_evaluated_at,
            last_value=row.last_value,
        )
        for row in rows
    }


def _values_by_fingerprint(answer: MetricAnswer) -> dict[str, tuple[Mapping[str, str], float]]:
    found: dict[str, tuple[Mapping[str, str], float]] = {}
    for series in answer.series:
        for _, value in series.points[-1:]:
            if isinstance(value, float | int):
                found[fingerprint(series.tags)] = (series.tags, float(value))
    return found


def _readings(condition: Condition, answer: MetricAnswer, thresholds: MetricAnswer | None) -> dict[str, _Reading]:
    """A threshold without a value is of nothing that is watched."""
    values = _values_by_fingerprint(answer)
    if condition.threshold_field is None:
        return {key: _Reading(labels, value, condition.threshold) for key, (labels, value) in values.items()}
    sent = {} if thresholds is None else _values_by_fingerprint(thresholds)
    return {
        key: _Reading(labels, value, sent[key][1] if key in sent else None) for key, (labels, value) in values.items()
    }


def _apply(
    ctx: Context,
    uow: UnitOfWork,
    rule: Rule,
    key: str,
    reading: _Reading,
    state: StateRow | None,
    decision: Decision,
) -> AlertId | None:
    held = state.alert_id if state else None
    value, threshold = reading.value, reading.threshold
    if decision.effect is Effect.RESOLVE and held is not None:
        settle_alert(ctx, uow, held, by=f"evaluation: {decision.reason}", value=value)
        return None
    if decision.effect is not Effect.OPEN or value is None or threshold is None:
        return held
    return open_alert(
        ctx,
        uow,
        {
            "rule_id": rule.rule_id,
            "fingerprint": key,
            "labels": {**reading.labels, **rule.labels},
            "severity": rule.severity,
            "summary": summary_of(rule, reading.labels, value, threshold),
            "description": rule.description,
            "value": value,
            "threshold": threshold,
            "started_at": decision.firing_since,
        },
    )


def _remember(
    ctx: Context,
    uow: UnitOfWork,
    due: DueRule,
    key: str,
    reading: _Reading,
    decision: Decision,
    alert_id: AlertId | None,
) -> None:
    identity = {"organization_id": ctx.organization_id, "rule_id": due.rule.rule_id, "fingerprint": key}
    if decision.state is SeriesState.NO_DATA and alert_id is None:
        # A series that is gone with nothing open is forgotten: a rule over short-lived series must not grow for ever.
        uow.execute(delete(alert_states).where(*(alert_states.c[name] == held for name, held in identity.items())))
        return
    remembered = {
        "labels": dict(reading.labels),
        "state": decision.state,
        "pending_since": decision.pending_since,
        "firing_since": decision.firing_since,
        "alert_id": alert_id,
        "last_evaluated_at": due.slot,
        "last_value": reading.value,
    }
    uow.execute(
        insert(alert_states)
        .values(**identity, **remembered)
        .on_conflict_do_update(index_elements=list(identity), set_=remembered)
    )


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    for verdict in (Verdict.ERROR, Verdict.FIRING, Verdict.OK):
        if verdict in verdicts:
            return verdict
    return Verdict.NO_DATA


def _note_result(ctx: Context, uow: UnitOfWork, due: DueRule, result: Verdict, error: str | None) -> None:
    newest, next_due_at = alert_rules.c.last_evaluated_at, alert_rules.c.next_due_at
    here = and_(alert_rules.c.organization_id == ctx.organization_id, alert_rules.c.id == due.rule.rule_id)
    uow.execute(
        update(alert_rules)
        .where(here, or_(newest.is_(None), newest <= due.slot, newest > uow.now()))
        .values(
            last_evaluated_at=due.slot,
            last_result=result,
            last_error=error,
            # Unless somebody claimed or changed it since.
            next_due_at=case(
                (next_due_at == due.claimed_until, next_slot(due.slot, due.rule.interval_s)), else_=next_due_at
            ),
        )
    )
