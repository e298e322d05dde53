"""The audit log keeps who changed what, without secrets, and can be read page by page."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from factories.contexts import context
from fixtures.relational import TwoOrganizations
from strata_core.audit.commands import record
from strata_core.audit.queries import AuditEntry, AuditFilter, audit_page
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import uuid7
from strata_stores.clock import ShiftedClock

pytestmark = pytest.mark.usefixtures("second_unmoved")


@pytest.fixture
def ctx(two_organizations: TwoOrganizations) -> Context:
    return context(two_organizations.first)


def write(units: UnitsOfWork, ctx: Context, action: str, target: str = "h1", **documents: dict[str, object]) -> None:
    with units.organization(ctx.organization_id) as uow:
        record(ctx, uow, action, "host", target, **documents)


def page(units: UnitsOfWork, ctx: Context, **options: object) -> list[AuditEntry]:
    with units.organization(ctx.organization_id) as uow:
        return audit_page(ctx, uow, **{"limit": 100, **options})  # type: ignore[arg-type]


def test_an_entry_says_who_what_and_from_where(units: UnitsOfWork, ctx: Context) -> None:
    write(units, ctx, "host.changed", before={"name": "a"}, after={"name": "b"})
    (entry,) = page(units, ctx)
    assert (entry.actor_kind, entry.actor_id, entry.actor_label) == ("user", ctx.actor.actor_id, "ada@example.test")
    assert (entry.action, entry.target_kind, entry.target_id) == ("host.changed", "host", "h1")
    assert (entry.before, entry.after) == ({"name": "a"}, {"name": "b"})
    assert (entry.request_id, entry.remote_addr) == ("test-request", "192.0.2.7")


def test_secrets_are_not_kept(units: UnitsOfWork, ctx: Context) -> None:
    secret = "correct horse battery staple"
    write(
        units,
        ctx,
        "user.changed",
        after={
            "password_hash": secret,
            "config": {"Webhook-Secret": secret, "list": [{"apiKey": secret, "api_key": secret}]},
            "access_token": secret,
            "blob": secret.encode(),
            "no_password": None,
            "name": "kept",
        },
    )
    (entry,) = page(units, ctx)
    assert entry.after is not None
    assert entry.after["name"] == "kept"
    assert entry.after["password_hash"] == "[redacted]"
    assert entry.after["no_password"] is None
    assert secret not in str(entry.after)


def test_pages_go_through_everything_once_newest_first(
    units: UnitsOfWork, ctx: Context, shifted_clock: ShiftedClock
) -> None:
    with units.organization(ctx.organization_id) as uow:
        for number in range(4):  # one instant
            record(ctx, uow, f"a{number}", "host", "h1")
    shifted_clock.advance(timedelta(hours=1))
    for number in range(4, 8):
        write(units, ctx, f"a{number}")
    seen: list[AuditEntry] = []
    after: tuple[datetime, UUID] | None = None
    while got := page(units, ctx, limit=3, after=after):
        seen += got
        after = (got[-1].at, got[-1].id)
    assert {entry.action for entry in seen} == {f"a{number}" for number in range(8)}
    assert len(seen) == 8
    assert [entry.action for entry in seen[:4]] == ["a7", "a6", "a5", "a4"]
    assert seen == page(units, ctx)


def test_filters(units: UnitsOfWork, ctx: Context, shifted_clock: ShiftedClock) -> None:
    robot = context(ctx.organization_id, actor=Actor(ActorKind.API_KEY, uuid7(7), "agent"))
    write(units, ctx, "host.created", "h1")
    shifted_clock.advance(timedelta(hours=1))
    write(units, robot, "host.changed", "h1")
    middle = page(units, ctx)[0].at
    shifted_clock.advance(timedelta(hours=1))
    write(units, ctx, "host.changed", "h2")

    def targets(**where: object) -> list[tuple[str, str]]:
        entries = page(units, ctx, where=AuditFilter(**where))  # type: ignore[arg-type]
        return [(entry.action, entry.target_id) for entry in entries]

    assert targets(actor_id=robot.actor.actor_id) == [("host.changed", "h1")]
    assert targets(action="host.changed") == [("host.changed", "h2"), ("host.changed", "h1")]
    assert targets(target_kind="host", target_id="h1") == [("host.changed", "h1"), ("host.created", "h1")]
    assert targets(since=middle) == [("host.changed", "h2"), ("host.changed", "h1")]
    assert targets(until=middle) == [("host.created", "h1")]
    assert targets(target_kind="service") == []


def test_reading_needs_its_permission(units: UnitsOfWork, ctx: Context) -> None:
    with pytest.raises(DeniedError):
        page(units, context(ctx.organization_id, permissions=frozenset({"hosts:read"})))
