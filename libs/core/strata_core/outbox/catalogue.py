"""Every kind of event, its version, and what its payload holds: what a reader may rely on, in one place.

A payload may gain names within a version. A name that goes, or comes to mean something else, is a new version.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from strata_core.outbox.events import Event
from strata_datamodel.errors import InvalidError


@dataclass(frozen=True, slots=True)
class EventKind:
    """`payload` names what is in it; None where it is the whole entity, as its receivers see it."""

    kind: str
    entity_kind: str
    payload: frozenset[str] | None
    schema_version: int = 1


def _kind(kind: str, entity_kind: str, *payload: str) -> EventKind:
    return EventKind(kind, entity_kind, frozenset(payload))


_INVENTORY: Final = ("name", "status", "source")
_DEPENDENCY: Final = ("service_id", "depends_on_id", "kind")

EVENTS: Final[Mapping[str, EventKind]] = {
    each.kind: each
    for each in (
        EventKind("alert.fired", "alert", None),
        EventKind("alert.acknowledged", "alert", None),
        EventKind("alert.resolved", "alert", None),
        _kind("alert.point_due", "alert", "status", "rule_id"),
        _kind("alert_rule.changed", "alert_rule", "deleted"),
        _kind("dashboard.created", "dashboard", "title"),
        _kind("dashboard.changed", "dashboard", "title"),
        _kind("dashboard.deleted", "dashboard", "title"),
        _kind("dead_letter.changed", "dead_letter", "state"),
        _kind("erasure.requested", "erasure", "kind"),
        _kind("erasure.done", "erasure", "receipt_id"),
        _kind("host.created", "host", *_INVENTORY),
        _kind("host.changed", "host", *_INVENTORY),
        _kind("host.deleted", "host", *_INVENTORY),
        _kind("identity_provider.changed", "identity_provider", "deleted"),
        _kind("invitation.created", "invitation"),
        _kind("invitation.sent_again", "invitation"),
        _kind("invitation.revoked", "invitation"),
        _kind("invitation.accepted", "invitation"),
        _kind("member.added", "membership", "user_id", "role"),
        _kind("member.changed", "membership", "user_id", "role"),
        _kind("member.removed", "membership", "user_id", "role"),
        _kind("member.identity_linked", "external_identity", "issuer", "user_id"),
        _kind("organization.provisioned", "organization", "slug"),
        _kind("organization.changed", "organization", "fields"),
        _kind("organization.status_changed", "organization", "status"),
        _kind("organization.plan_changed", "organization", "plan"),
        _kind("organization.deleting", "organization", "slug"),
        _kind("quota.changed", "quota", "name", "value"),
        _kind("role.created", "role", "name"),
        _kind("role.changed", "role", "name"),
        _kind("role.deleted", "role", "name"),
        _kind("role_assignment.created", "role_assignment", "subject"),
        _kind("role_assignment.deleted", "role_assignment", "subject"),
        _kind("saga.started", "saga", "kind", "version"),
        _kind("saga.requested", "saga", "kind", "request"),
        _kind("saga.parked", "saga", "kind", "code"),
        _kind("saga.ended", "saga", "kind", "state"),
        EventKind("search.projection_due", "", frozenset({"version"})),
        _kind("service.created", "service", *_INVENTORY),
        _kind("service.changed", "service", *_INVENTORY),
        _kind("service.deleted", "service", *_INVENTORY),
        _kind("service_account.created", "service_account", "name"),
        _kind("service_account.changed", "service_account", "name"),
        _kind("service_account.deleted", "service_account", "name"),
        _kind("service_dependency.added", "service_dependency", *_DEPENDENCY),
        _kind("service_dependency.removed", "service_dependency", *_DEPENDENCY),
        _kind("team.created", "team", "name"),
        _kind("team.changed", "team", "name"),
        _kind("team.deleted", "team", "name"),
        _kind("team.member_added", "team", "user_id"),
        _kind("team.member_removed", "team", "user_id"),
        _kind("tier_retention.changed", "tier_retention", "tier", "kept_s"),
        _kind("user.changed", "user", "fields"),
        _kind("user.sign_in_changed", "user", "action"),
        _kind("webhook.changed", "webhook", "deleted"),
    )
}


def check_declared(event: Event) -> None:
    """Raises InvalidError (code `bad_event`) where an event of a known kind is not what is declared of it."""
    declared = EVENTS.get(event.kind)
    if declared is None:
        return
    problems = list(_differences(event, declared))
    if problems:
        raise InvalidError(f"{event.kind}: {', '.join(problems)}", code="bad_event")


def is_from_a_newer_release(event: Event) -> bool:
    """Its payload may mean something that this release does not know."""
    declared = EVENTS.get(event.kind)
    return declared is not None and event.schema_version > declared.schema_version


def _differences(event: Event, declared: EventKind) -> Iterator[str]:
    if event.schema_version != declared.schema_version:
        yield f"version {event.schema_version} is not declared"
    if declared.entity_kind and event.entity_kind != declared.entity_kind:
        yield f"is of a {declared.entity_kind}, not of a {event.entity_kind}"
    if declared.payload is not None and not event.payload.keys() <= declared.payload:
        yield f"holds what is not declared: {', '.join(sorted(event.payload.keys() - declared.payload))}"
