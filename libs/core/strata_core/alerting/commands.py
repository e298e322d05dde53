"""Changes to rules and alerts. Each is authorised, audited and evented in the caller's transaction."""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, insert, select, update

from strata_core.access.rules import require, require_somewhere
from strata_core.alerting import events
from strata_core.alerting.drafts import RuleDraft, checked_draft
from strata_core.alerting.queries import alert_document, labels_of, rule_document
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.alerting import AlertStatus, Condition
from strata_datamodel.errors import ConflictError, LimitError, NotFoundError, PreconditionError
from strata_datamodel.ids import AlertId, RuleId
from strata_datamodel.limits import RULES_PER_ORGANIZATION
from strata_datamodel.tables.alerting import alert_rules, alert_states, alerts

Document = dict[str, object]


def create_rule(ctx: Context, uow: UnitOfWork, draft: RuleDraft) -> Document:
    require(ctx, "alert_rules:write", draft.labels)
    rule = checked_draft(draft)
    held = uow.execute(
        select(func.count()).select_from(alert_rules).where(alert_rules.c.organization_id == ctx.organization_id)
    ).scalar_one()
    if held >= RULES_PER_ORGANIZATION:
        raise LimitError(f"an organization has at most {RULES_PER_ORGANIZATION} rules", hint="rules_per_organization")
    rule_id = RuleId(new_id(uow))
    uow.execute(insert(alert_rules).values(organization_id=ctx.organization_id, id=rule_id, **_columns(rule)))
    return _after_rule_change(ctx, uow, rule_id, "alert_rule.create", None)


def replace_rule(ctx: Context, uow: UnitOfWork, rule_id: RuleId, draft: RuleDraft, version: int) -> Document:
    """A condition over other series ends what is open under the old one, and so does switching the rule off: nothing
    would evaluate it again. A new threshold, window or severity leaves it open."""
    require(ctx, "alert_rules:write", draft.labels)
    rule = checked_draft(draft)
    before = _locked_rule(ctx, uow, rule_id, version)
    require(ctx, "alert_rules:write", labels_of(before))
    has_other_series = _series_of(msgspec.convert(before["condition"], Condition)) != _series_of(rule.condition)
    if has_other_series or not rule.is_enabled:
        _end_episodes(ctx, uow, rule_id, f"change of the rule by {ctx.actor.label}")
    uow.execute(
        update(alert_rules)
        .where(alert_rules.c.organization_id == ctx.organization_id, alert_rules.c.id == rule_id)
        .values(
            **_columns(rule), version=alert_rules.c.version + 1, updated_at=func.app.now(), next_due_at=func.app.now()
        )
    )
    return _after_rule_change(ctx, uow, rule_id, "alert_rule.update", before)


def delete_rule(ctx: Context, uow: UnitOfWork, rule_id: RuleId, version: int) -> None:
    """Open alerts of the rule are resolved: nothing would ever evaluate them again."""
    require_somewhere(ctx, "alert_rules:write")
    before = _locked_rule(ctx, uow, rule_id, version)
    require(ctx, "alert_rules:write", labels_of(before))
    _end_episodes(ctx, uow, rule_id, f"deletion of the rule by {ctx.actor.label}")
    uow.execute(
        delete(alert_rules).where(alert_rules.c.organization_id == ctx.organization_id, alert_rules.c.id == rule_id)
    )
    record(ctx, uow, "alert_rule.delete", "alert_rule", str(rule_id), before=before, after=None)
    append(uow, Event(events.RULE_CHANGED, events.SCHEMA_VERSION, "alert_rule", rule_id, {"deleted": True}))


def acknowledge_alert(ctx: Context, uow: UnitOfWork, alert_id: AlertId, version: int | None = None) -> Document:
    """Acknowledging twice changes nothing and says so by answering the same alert. With a `version` PreconditionError
    when the alert is at another by now."""
    require_somewhere(ctx, "alerts:write")
    before = _locked_alert(ctx, uow, alert_id, version)
    require(ctx, "alerts:write", labels_of(before))
    if before["status"] == AlertStatus.ACKNOWLEDGED:
        return before
    if before["status"] == AlertStatus.RESOLVED:
        raise ConflictError("the alert is resolved already", code="alert_resolved")
    changes = {
        "status": AlertStatus.ACKNOWLEDGED,
        "acknowledged_at": func.app.now(),
        "acknowledged_by": ctx.actor.label,
    }
    return _change_alert(ctx, uow, before, "alert.acknowledge", events.ALERT_ACKNOWLEDGED, changes)


def resolve_alert(ctx: Context, uow: UnitOfWork, alert_id: AlertId, version: int | None = None) -> Document:
    """By hand. The series starts over: it fires again when its next evaluation is over the threshold. With a `version`
    PreconditionError when the alert is at another by now."""
    require_somewhere(ctx, "alerts:write")
    _lock_rule_of(ctx, uow, alert_id)
    before = _locked_alert(ctx, uow, alert_id, version)
    require(ctx, "alerts:write", labels_of(before))
    if before["status"] == AlertStatus.RESOLVED:
        return before
    _forget_episode(ctx, uow, alert_id)
    return settle_alert(ctx, uow, alert_id, by=ctx.actor.label, value=None)


def open_alert(ctx: Context, uow: UnitOfWork, values: Mapping[str, object]) -> AlertId:
    """The evaluator's way in: alert, audit and event in one transaction."""
    alert_id = AlertId(new_id(uow))
    uow.execute(insert(alerts).values(organization_id=ctx.organization_id, id=alert_id, **values))
    document = alert_document(_alert_row(ctx, uow, alert_id))
    record(ctx, uow, "alert.fire", "alert", str(alert_id), before=None, after=document)
    append(uow, events.alert_event(events.ALERT_FIRED, alert_id, document))
    return alert_id


def settle_alert(ctx: Context, uow: UnitOfWork, alert_id: AlertId, *, by: str, value: float | None) -> Document:
    """Resolve without asking who: the callers authorised already, or are the evaluator."""
    before = _locked_alert(ctx, uow, alert_id)
    if before["status"] == AlertStatus.RESOLVED:
        return before
    changes: dict[str, object] = {"status": AlertStatus.RESOLVED, "resolved_at": func.app.now(), "resolved_by": by}
    if value is not None:
        changes["value"] = value
    return _change_alert(ctx, uow, before, "alert.resolve", events.ALERT_RESOLVED, changes)


def _change_alert(
    ctx: Context, uow: UnitOfWork, before: Document, action: str, kind: str, changes: Mapping[str, object]
) -> Document:
    alert_id = AlertId(UUID(str(before["id"])))
    uow.execute(
        update(alerts)
        .where(alerts.c.organization_id == ctx.organization_id, alerts.c.id == alert_id)
        .values(**changes, version=alerts.c.version + 1, updated_at=func.app.now())
    )
    after = alert_document(_alert_row(ctx, uow, alert_id))
    record(ctx, uow, action, "alert", str(alert_id), before=before, after=after)
    append(uow, events.alert_event(kind, alert_id, after))
    return after


def _forget_episode(ctx: Context, uow: UnitOfWork, alert_id: AlertId) -> None:
    uow.execute(
        update(alert_states)
        .where(alert_states.c.organization_id == ctx.organization_id, alert_states.c.alert_id == alert_id)
        .values(state="ok", alert_id=None, pending_since=None, firing_since=None)
    )


def _end_episodes(ctx: Context, uow: UnitOfWork, rule_id: RuleId, by: str) -> None:
    open_alerts = uow.execute(
        select(alerts.c.id).where(
            alerts.c.organization_id == ctx.organization_id,
            alerts.c.rule_id == rule_id,
            alerts.c.status != AlertStatus.RESOLVED,
        )
    ).scalars()
    for alert_id in open_alerts.all():
        settle_alert(ctx, uow, AlertId(alert_id), by=by, value=None)
    uow.execute(
        delete(alert_states).where(
            alert_states.c.organization_id == ctx.organization_id, alert_states.c.rule_id == rule_id
        )
    )


def _series_of(condition: Condition) -> tuple[object, ...]:
    return (condition.measurement, condition.field, condition.filters, condition.group_by)


def _columns(rule: RuleDraft) -> dict[str, object]:
    return {
        "name": rule.name,
        "description": rule.description,
        "is_enabled": rule.is_enabled,
        "severity": rule.severity,
        "condition": _condition_column(rule.condition),
        "labels": rule.labels,
        "for_s": rule.for_s,
        "interval_s": rule.interval_s,
    }


def _condition_column(condition: Condition) -> dict[str, object]:
    """Without the kind of threshold that it has not: a worker of an earlier release, which knows of one kind only, can
    then read all rules of that kind."""
    columns: dict[str, object] = msgspec.to_builtins(condition)
    return {name: value for name, value in columns.items() if value is not None}


def _after_rule_change(
    ctx: Context, uow: UnitOfWork, rule_id: RuleId, action: str, before: Document | None
) -> Document:
    after = rule_document(_rule_row(ctx, uow, rule_id))
    record(ctx, uow, action, "alert_rule", str(rule_id), before=before, after=after)
    append(uow, Event(events.RULE_CHANGED, events.SCHEMA_VERSION, "alert_rule", rule_id, {"deleted": False}))
    return after


def _locked_rule(ctx: Context, uow: UnitOfWork, rule_id: RuleId, version: int) -> Document:
    row = _rule_row(ctx, uow, rule_id, lock=True)
    if row["version"] != version:
        raise PreconditionError("the rule was changed since you read it", hint="read it again and repeat your change")
    return rule_document(row)


def _lock_rule_of(ctx: Context, uow: UnitOfWork, alert_id: AlertId) -> None:
    """Before the alert, as evaluations do: one that read the episode as open must not write it back after its end, or
    the rule would take a closed alert for its open one and stay silent."""
    rule_id = select(alerts.c.rule_id).where(alerts.c.organization_id == ctx.organization_id, alerts.c.id == alert_id)
    wanted = select(alert_rules.c.id).where(
        alert_rules.c.organization_id == ctx.organization_id, alert_rules.c.id == rule_id.scalar_subquery()
    )
    uow.execute(wanted.with_for_update())


def _rule_row(ctx: Context, uow: UnitOfWork, rule_id: RuleId, *, lock: bool = False) -> Mapping[str, object]:
    wanted = select(alert_rules).where(
        alert_rules.c.organization_id == ctx.organization_id, alert_rules.c.id == rule_id
    )
    row = uow.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such alert rule")
    return dict(row)


def _alert_row(ctx: Context, uow: UnitOfWork, alert_id: AlertId, *, lock: bool = False) -> Mapping[str, object]:
    wanted = select(alerts).where(alerts.c.organization_id == ctx.organization_id, alerts.c.id == alert_id)
    row = uow.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise NotFoundError("no such alert")
    return dict(row)


def _locked_alert(ctx: Context, uow: UnitOfWork, alert_id: AlertId, version: int | None = None) -> Document:
    document = alert_document(_alert_row(ctx, uow, alert_id, lock=True))
    if version is not None and document["version"] != version:
        raise PreconditionError("somebody changed this alert since you read it", hint="read it again")
    return document
