"""What PostgreSQL holds of the subject of an erasure: counted, and forgotten.

Rows that exist for it alone go. Rows that a promise needs stay, with a pseudonym where it was named. The audit log
stays as it is: it is chained, and kept as evidence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    TableValuedAlias,
    and_,
    delete,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import BYTEA

from strata_core.erasures import events, letters
from strata_core.erasures.rules import ERASED, ErasureKind, Selector, labels_of, needles, pseudonym
from strata_core.outbox.commands import append
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.search.events import projection_due
from strata_datamodel.ids import UserId
from strata_datamodel.metrics import TagPair
from strata_datamodel.tables.alerting import alert_states, alerts
from strata_datamodel.tables.audit import audit_log, user_access_logs
from strata_datamodel.tables.identity import external_identities
from strata_datamodel.tables.inventory import hosts, services
from strata_datamodel.tables.mails import mails
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.outbox import dead_letters, idempotency, outbox
from strata_datamodel.tables.people import email_changes, invitations, legacy_users
from strata_datamodel.tables.series import metric_series
from strata_datamodel.tables.server_metrics import (
    error_logs,
    server_metrics,
    server_metrics_daily,
    server_metrics_hourly,
)
from strata_datamodel.tables.sign_in import passkeys, recovery_codes, security_events, totp_secrets
from strata_datamodel.tables.users import password_hashes, sessions, users

_ALERT: Final = "alert"
_ALERTS_AT_ONCE: Final = 500
_OF_ACCOUNTS: Final = (
    sessions,
    passkeys,
    recovery_codes,
    totp_secrets,
    email_changes,
    security_events,
    password_hashes,
)


@dataclass(frozen=True, slots=True)
class Doomed:
    """Rows of a table that tell of nothing but the subject."""

    table: Table
    where: ColumnElement[bool]


def count_rows(uow: UnitOfWork, selector: Selector, tags: Sequence[TagPair]) -> dict[str, int]:
    """By table, what is to be forgotten; tables without any are left out."""
    counts = {str(doomed.table.name): _count(uow, doomed.table, doomed.where) for doomed in _doomed(selector, tags)}
    for table, where in _named(selector):
        counts[str(table.name)] = counts.get(str(table.name), 0) + _count(uow, table, where)
    counts[dead_letters.name] += letters.count_packed(uow, selector)[0]
    return {name: count for name, count in counts.items() if count}


def count_unsearched(uow: UnitOfWork, selector: Selector) -> dict[str, int]:
    """What nobody can look into: letters that cannot be read, and series of texts, whose values no store searches."""
    counts = {
        "dead_letters": letters.count_packed(uow, selector)[1],
        "series_of_texts": _count(uow, metric_series, metric_series.c.field_class == "string"),
    }
    return {name: count for name, count in counts.items() if count}


def count_kept(uow: UnitOfWork, selector: Selector) -> int:
    """Rows of the audit log that tell of a person."""
    if selector.kind is not ErasureKind.PERSON:
        return 0
    a = audit_log.c
    mine = or_(a.actor_id == selector.user_id, a.actor_label.in_(selector.identifiers))
    return _count(uow, audit_log, mine)


def forget_rows(uow: UnitOfWork, erasure_id: UUID, selector: Selector, tags: Sequence[TagPair]) -> None:
    """Idempotent."""
    for doomed in _doomed(selector, tags):
        uow.execute(delete(doomed.table).where(_here(uow, doomed.table), doomed.where))
    letters.delete_packed(uow, selector)
    events.redact(uow, selector)
    name = pseudonym(erasure_id)
    _rename_in_alerts(uow, selector, name)
    _forget_labels(uow, selector)
    if selector.kind is ErasureKind.PERSON:
        here = _here(uow, invitations)
        mine = invitations.c.invited_by.in_(selector.identifiers)
        uow.execute(update(invitations).where(here, mine).values(invited_by=name))
        if selector.user_id is not None:
            _forget_account(uow, selector.user_id, name)


def _doomed(selector: Selector, tags: Sequence[TagPair]) -> Iterator[Doomed]:
    if tags:
        yield Doomed(metric_series, _has_one(metric_series, "tags", tags))
    is_plain = letters.plain(dead_letters.c.content_format)
    yield Doomed(dead_letters, and_(is_plain, _holds(dead_letters.c.content, selector)))
    yield Doomed(outbox, and_(events.IS_DONE, events.tells(selector)))
    yield Doomed(idempotency, _holds(idempotency.c.response, selector))
    yield Doomed(error_logs, _is_in_error(selector))
    labels = labels_of(selector)
    if labels:
        yield Doomed(alert_states, _has_one(alert_states, "labels", labels))
    else:
        yield Doomed(alert_states, _tells(alert_states.c.labels, selector))
    if selector.kind is ErasureKind.HOST:
        for table in (server_metrics, server_metrics_hourly, server_metrics_daily):
            yield Doomed(table, _is_of_host(table, selector.value))
        yield Doomed(hosts, hosts.c.name == selector.value)
    if selector.kind is ErasureKind.PERSON:
        yield Doomed(mails, mails.c.recipient.in_(selector.identifiers))
        yield Doomed(invitations, invitations.c.email.in_(selector.identifiers))
        if selector.user_id is not None:
            yield Doomed(user_access_logs, user_access_logs.c.actor_id == selector.user_id)
            yield Doomed(external_identities, external_identities.c.user_id == selector.user_id)
            yield Doomed(legacy_users, legacy_users.c.user_id == selector.user_id)
            yield Doomed(memberships, memberships.c.user_id == selector.user_id)


def _named(selector: Selector) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Rows that stay, but in which the subject is named."""
    yield alerts, _is_in_alert(selector)
    yield outbox, and_(~events.IS_DONE, events.tells(selector))
    for table in (hosts, services):
        yield table, _is_in_tags(table, selector)
    if selector.kind is ErasureKind.PERSON:
        yield invitations, invitations.c.invited_by.in_(selector.identifiers)


def _is_in_alert(selector: Selector) -> ColumnElement[bool]:
    a = alerts.c
    if selector.kind is not ErasureKind.PERSON:
        return _has_one(alerts, "labels", labels_of(selector))
    texts = [_names_one(column, selector) for column in (a.summary, a.description)]
    by = [a.acknowledged_by.in_(selector.identifiers), a.resolved_by.in_(selector.identifiers)]
    return or_(*texts, *by, _tells(a.labels, selector))


def _is_in_error(selector: Selector) -> ColumnElement[bool]:
    """By what the row itself says: of its event's labels it keeps the fixed ones only."""
    e = error_logs.c
    match selector.kind:
        case ErasureKind.HOST:
            return _is_of_host(error_logs, selector.value)
        case ErasureKind.PERSON:
            return or_(false(), *(_names_one(text, selector) for text in (e.message, e.service, e.stream)))
        case ErasureKind.LABEL:
            fixed = {"level": e.level, "service_id": e.service, "stream": e.stream}
            is_told = func.strpos(func.lower(e.message), selector.value.lower()) > 0
            if selector.key == "host_id":
                return or_(is_told, _is_of_host(error_logs, selector.value))
            return or_(is_told, fixed[selector.key] == selector.value) if selector.key in fixed else is_told


def _is_of_host(table: Table, name: str) -> ColumnElement[bool]:
    named = select(hosts.c.id).where(hosts.c.organization_id == table.c.organization_id, hosts.c.name == name)
    return table.c.server_id.in_(named)


def _is_in_tags(table: Table, selector: Selector) -> ColumnElement[bool]:
    if selector.kind is ErasureKind.PERSON:
        return _tells(table.c.tags, selector)
    return _has_one(table, "tags", labels_of(selector))


def _rename_in_alerts(uow: UnitOfWork, selector: Selector, name: str) -> None:
    """An alert's history stays. Its words may tell of the subject in any way: they go. In bites: there may be many."""
    a = alerts.c
    wanted = select(a.id, a.version, a.labels, a.acknowledged_by, a.resolved_by)
    wanted = wanted.where(_here(uow, alerts), _is_in_alert(selector)).limit(_ALERTS_AT_ONCE)
    is_person, pairs = selector.kind is ErasureKind.PERSON, labels_of(selector)
    while rows := uow.execute(wanted).all():
        for row in rows:
            labels = {key: name if (key, value) in pairs else value for key, value in row.labels.items()}
            changes = {
                # By the database's own idea of upper and lower case, or what it finds would never end.
                "labels": _without(a.labels, selector) if is_person else labels,
                "summary": "",
                "description": "",
                "acknowledged_by": name if row.acknowledged_by in selector.identifiers else row.acknowledged_by,
                "resolved_by": name if row.resolved_by in selector.identifiers else row.resolved_by,
                "version": row.version + 1,
                "updated_at": uow.now(),
            }
            uow.execute(update(alerts).where(_here(uow, alerts), a.id == row.id).values(**changes))
            append(uow, projection_due(_ALERT, row.id, row.version + 1))


def _forget_labels(uow: UnitOfWork, selector: Selector) -> None:
    """Of what is in the inventory, which may be known by other names too."""
    for table in (hosts, services):
        if selector.kind is ErasureKind.PERSON:
            here = (_here(uow, table), _is_in_tags(table, selector))
            changes = {
                "tags": _without(table.c.tags, selector),
                "version": table.c.version + 1,
                "updated_at": uow.now(),
            }
            uow.execute(update(table).where(*here).values(**changes))
        for key, value in labels_of(selector):
            is_there = table.c.tags[key].astext == value
            changes = {"tags": table.c.tags.op("-")(key), "version": table.c.version + 1, "updated_at": uow.now()}
            uow.execute(update(table).where(_here(uow, table), is_there).values(**changes))


def _forget_account(uow: UnitOfWork, user_id: UserId, name: str) -> None:
    """Only when it serves no other organization: there it is theirs as well. Its row stays under a pseudonym, since
    others may refer to it."""
    with uow.of_person(user_id) as own:
        if own.execute(select(memberships.c.id).where(memberships.c.user_id == user_id).limit(1)).first() is not None:
            return
        for table in _OF_ACCOUNTS:
            own.execute(delete(table).where(table.c.user_id == user_id))
        changes = {"email": f"{name}@erased.invalid", "name": ERASED, "avatar_url": None, "email_verified_at": None}
        own.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(**changes, version=users.c.version + 1, updated_at=own.now())
        )


def _names_one(text: ColumnElement[str], selector: Selector) -> ColumnElement[bool]:
    return or_(*(func.strpos(func.lower(text), each.lower()) > 0 for each in selector.identifiers))


def _tells(column: ColumnElement[Any], selector: Selector) -> ColumnElement[bool]:
    """Whether the value of a label tells of a person."""
    pair = _pairs(column)
    return select(pair.c.key).select_from(pair).where(_names_one(pair.c.value, selector)).exists()


def _without(column: ColumnElement[Any], selector: Selector) -> ColumnElement[Any]:
    """The labels that do not tell of a person."""
    pair = _pairs(column)
    kept = select(func.jsonb_object_agg(pair.c.key, pair.c.value)).select_from(pair)
    kept = kept.where(~_names_one(pair.c.value, selector))
    return func.coalesce(kept.scalar_subquery(), literal_column("'{}'::jsonb"))


def _pairs(column: ColumnElement[Any]) -> TableValuedAlias:
    return func.jsonb_each_text(column).table_valued("key", "value", name="pair")


def _has_one(table: Table, column: str, pairs: Sequence[TagPair]) -> ColumnElement[bool]:
    return or_(*(table.c[column][key].astext == value for key, value in pairs))


def _holds(content: ColumnElement[bytes], selector: Selector) -> ColumnElement[bool]:
    found = [func.position(literal(each, BYTEA).op("IN")(content)) > 0 for each in needles(selector)]
    return or_(*found) if selector.kind is ErasureKind.PERSON else and_(*found)


def _here(uow: UnitOfWork, table: Table) -> ColumnElement[bool]:
    return table.c.organization_id == uow.organization_id


def _count(uow: UnitOfWork, table: Table, where: ColumnElement[bool]) -> int:
    return int(uow.execute(select(func.count()).select_from(table).where(_here(uow, table), where)).scalar_one())
