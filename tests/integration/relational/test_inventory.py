"""Hosts, services and dependencies as people change them."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from factories.contexts import context
from factories.lists import listed, names_of, walked
from fixtures.relational import Database, TwoOrganizations
from strata_core.context import Context
from strata_core.inventory.commands import (
    add_dependency,
    create_host,
    create_service,
    delete_host,
    delete_service,
    remove_dependency,
    replace_host,
    replace_service,
)
from strata_core.inventory.lists import HOSTS, SERVICES, tag_condition
from strata_core.inventory.queries import dependencies, dependents, host
from strata_core.inventory.rules import HostDraft, ServiceDraft
from strata_core.ports.unit_of_work import UnitOfWork, UnitsOfWork
from strata_datamodel.errors import ConflictError, DeniedError, InvalidError, NotFoundError, PreconditionError
from strata_datamodel.ids import HostId, ServiceId
from strata_datamodel.inventory import DependencyKind, EntityStatus, Host, Service, Source

pytestmark = pytest.mark.usefixtures("second_unmoved")


@pytest.fixture
def ctx(two_organizations: TwoOrganizations) -> Context:
    return context(two_organizations.first)


def make_host(units: UnitsOfWork, ctx: Context, name: str = "web-1", **fields: object) -> Host:
    with units.organization(ctx.organization_id) as uow:
        return create_host(ctx, uow, HostDraft(name, **fields))  # type: ignore[arg-type]


def make_service(units: UnitsOfWork, ctx: Context, name: str, host_id: HostId | None = None) -> Service:
    with units.organization(ctx.organization_id) as uow:
        return create_service(ctx, uow, ServiceDraft(name, host_id=host_id))


def trail(database: Database) -> list[tuple[object, object]]:
    """Audit and outbox, which must tell the same."""
    told = [row["kind"] for row in database.rows("SELECT kind FROM outbox ORDER BY created_at, kind")]
    audited = [row["action"] for row in database.rows("SELECT action FROM audit_log ORDER BY at, action")]
    return list(zip(audited, told, strict=True))


def test_a_host_is_kept_as_written_audited_and_told(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    made = make_host(
        units,
        ctx,
        status=EntityStatus.MAINTENANCE,
        environment="prod",
        datacenter="fra1",
        region="eu",
        agent_version="1.2",
        agent_config={"interval": 10},
        metadata={"rack": {"row": 7}},
        tags={"team": "core"},
    )
    with units.organization(ctx.organization_id) as uow:
        assert host(ctx, uow, made.id) == made
    assert (made.source, made.version, made.tags) == (Source.MANUAL, 1, {"team": "core"})
    (audited,) = database.rows("SELECT * FROM audit_log")
    assert audited["organization_id"] == ctx.organization_id
    assert (audited["actor_label"], audited["target_id"]) == ("ada@example.test", str(made.id))
    assert audited["before"] is None
    assert audited["after"]["metadata"] == {"rack": {"row": 7}}  # type: ignore[index]
    (told,) = database.rows("SELECT * FROM outbox")
    assert (told["kind"], told["entity_id"], told["state"]) == ("host.created", made.id, "pending")


def test_a_stale_version_changes_nothing(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    made = make_host(units, ctx)
    with units.organization(ctx.organization_id) as uow:
        changed = replace_host(ctx, uow, made.id, HostDraft("web-1", environment="prod"), version=1)
    assert changed.version == 2
    for attempt in (
        lambda uow: replace_host(ctx, uow, made.id, HostDraft("web-1"), version=1),
        lambda uow: delete_host(ctx, uow, made.id, version=1),
    ):
        with pytest.raises(PreconditionError), units.organization(ctx.organization_id) as uow:
            attempt(uow)
    assert trail(database) == [("host.created", "host.created"), ("host.changed", "host.changed")]


def test_of_two_editors_at_once_one_is_told(units: UnitsOfWork, ctx: Context) -> None:
    made = make_host(units, ctx)
    outcomes: list[str] = []
    start = threading.Barrier(2, timeout=10)

    def edit(environment: str) -> None:
        start.wait()
        try:
            with units.organization(ctx.organization_id) as uow:
                replace_host(ctx, uow, made.id, HostDraft("web-1", environment=environment), version=1)
            outcomes.append("changed")
        except PreconditionError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=edit, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["changed", "stale_version"]


def test_a_name_is_taken_once_in_an_organization(units: UnitsOfWork, ctx: Context) -> None:
    make_host(units, ctx)
    make_host(units, ctx, "globex-db-1")  # the other organization has one of this name
    other = make_host(units, ctx, "web-2")
    with pytest.raises(ConflictError, match="a host of this name"):
        make_host(units, ctx)
    with pytest.raises(ConflictError, match="a host of this name"), units.organization(ctx.organization_id) as uow:
        replace_host(ctx, uow, other.id, HostDraft("web-1"), version=1)


@pytest.mark.parametrize(
    "act",
    [
        host,
        lambda ctx, uow, host_id: replace_host(ctx, uow, host_id, HostDraft("mine"), version=1),
        lambda ctx, uow, host_id: delete_host(ctx, uow, host_id, version=1),
    ],
)
def test_another_organizations_host_is_not_there(
    units: UnitsOfWork,
    ctx: Context,
    two_organizations: TwoOrganizations,
    act: Callable[[Context, UnitOfWork, HostId], object],
) -> None:
    with pytest.raises(NotFoundError), units.organization(ctx.organization_id) as uow:
        act(ctx, uow, HostId(two_organizations.second_host))


def test_a_service_cannot_be_put_on_another_organizations_host(
    units: UnitsOfWork, ctx: Context, two_organizations: TwoOrganizations
) -> None:
    with pytest.raises(InvalidError) as caught:
        make_service(units, ctx, "nginx", HostId(two_organizations.second_host))
    assert [problem.where for problem in caught.value.problems] == ["/host_id"]


@pytest.mark.parametrize(
    ("draft", "where"),
    [
        (HostDraft(""), "/name"),
        (HostDraft("x" * 201), "/name"),
        (HostDraft(" padded"), "/name"),
        (HostDraft("a\x00b"), "/name"),
        (HostDraft("h", environment=""), "/environment"),
        (HostDraft("h", metadata={"x": "y" * 20_000}), "/metadata"),
        (HostDraft("h", tags={"": "v"}), "/tags/"),
        (HostDraft("h", tags={"k": "v" * 300}), "/tags/k"),
        (HostDraft("h", tags={str(number): "v" for number in range(65)}), "/tags"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(
    units: UnitsOfWork, ctx: Context, draft: HostDraft, where: str
) -> None:
    with pytest.raises(InvalidError) as caught, units.organization(ctx.organization_id) as uow:
        create_host(ctx, uow, draft)
    assert caught.value.code == "bad_inventory"
    assert [problem.where for problem in caught.value.problems] == [where]


def test_deleting_a_host_takes_its_services_each_with_its_audit_row(
    units: UnitsOfWork, ctx: Context, database: Database
) -> None:
    made = make_host(units, ctx)
    on_it = make_service(units, ctx, "nginx", made.id)
    apart = make_service(units, ctx, "billing")
    with units.organization(ctx.organization_id) as uow:
        add_dependency(ctx, uow, apart.id, on_it.id, DependencyKind.HARD)
    with units.organization(ctx.organization_id) as uow:
        delete_host(ctx, uow, made.id, version=1)
    assert listed(units, HOSTS.question(ctx, limit=9)) == []
    assert names_of(listed(units, SERVICES.question(ctx, limit=9))) == ["billing"]
    with units.organization(ctx.organization_id) as uow:
        assert dependencies(ctx, uow, apart.id) == []
    assert trail(database)[-2:] == [("host.deleted", "host.deleted"), ("service.deleted", "service.deleted")]


def test_one_service_name_a_host_and_one_without(units: UnitsOfWork, ctx: Context) -> None:
    first, second = make_host(units, ctx, "web-1"), make_host(units, ctx, "web-2")
    for host_id in (first.id, second.id, None):
        make_service(units, ctx, "nginx", host_id)
    for host_id in (first.id, None):
        with pytest.raises(ConflictError, match="a service of this name"):
            make_service(units, ctx, "nginx", host_id)


def test_a_service_moves_between_hosts_and_goes(units: UnitsOfWork, ctx: Context) -> None:
    home = make_host(units, ctx)
    made = make_service(units, ctx, "nginx")
    with units.organization(ctx.organization_id) as uow:
        moved = replace_service(ctx, uow, made.id, ServiceDraft("nginx", host_id=home.id), version=1)
        assert (moved.host_id, moved.version) == (home.id, 2)
        delete_service(ctx, uow, made.id, version=2)
    assert listed(units, SERVICES.question(ctx, limit=9)) == []


def test_dependencies_are_added_once_listed_from_both_ends_and_removed(
    units: UnitsOfWork, ctx: Context, database: Database
) -> None:
    web, db = make_service(units, ctx, "web"), make_service(units, ctx, "db")
    with units.organization(ctx.organization_id) as uow:
        added = add_dependency(ctx, uow, web.id, db.id, DependencyKind.SOFT)
        assert dependencies(ctx, uow, web.id) == [added] == dependents(ctx, uow, db.id)
        assert dependencies(ctx, uow, db.id) == []
    with pytest.raises(ConflictError, match="there already"), units.organization(ctx.organization_id) as uow:
        add_dependency(ctx, uow, web.id, db.id, DependencyKind.HARD)
    with pytest.raises(InvalidError), units.organization(ctx.organization_id) as uow:
        add_dependency(ctx, uow, web.id, web.id, DependencyKind.HARD)
    with pytest.raises(NotFoundError), units.organization(ctx.organization_id) as uow:
        remove_dependency(ctx, uow, db.id, added.id)
    with units.organization(ctx.organization_id) as uow:
        remove_dependency(ctx, uow, web.id, added.id)
        assert dependencies(ctx, uow, web.id) == []
    assert trail(database)[-2:] == [
        ("service_dependency.added", "service_dependency.added"),
        ("service_dependency.removed", "service_dependency.removed"),
    ]


def test_pages_go_through_everything_once_in_order_of_name(units: UnitsOfWork, ctx: Context) -> None:
    names = sorted(f"host-{number:02}" for number in range(7))
    for name in reversed(names):
        make_host(units, ctx, name)
        make_service(units, ctx, "same", make_host(units, ctx, f"{name}-b").id)
    hosts = names_of(walked(units, ctx, HOSTS, limit=3))
    services = [service["id"] for service in walked(units, ctx, SERVICES, limit=2)]
    assert hosts == sorted([*names, *(f"{name}-b" for name in names)])
    assert services == sorted(services)
    assert len(set(services)) == len(services) == 7


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ({}, ["app-1", "web-1", "web-2"]),
        ({"status": EntityStatus.DOWN}, ["web-2"]),
        ({"environment": "prod"}, ["web-1", "web-2"]),
        ({"environment": "prod", "status": EntityStatus.UNKNOWN}, ["web-1"]),
        (tag_condition("team:core"), ["web-1"]),
        (tag_condition("team"), ["app-1", "web-1"]),
        (tag_condition("team:co"), []),
        ({"name_prefix": "web"}, ["web-1", "web-2"]),
        ({"name_prefix": "%"}, []),
    ],
)
def test_filters(units: UnitsOfWork, ctx: Context, where: Mapping[str, object], names: list[str]) -> None:
    make_host(units, ctx, "web-1", environment="prod", tags={"team": "core"})
    make_host(units, ctx, "web-2", environment="prod", status=EntityStatus.DOWN)
    make_host(units, ctx, "app-1", tags={"team": "edge"})
    assert names_of(listed(units, HOSTS.question(ctx, limit=9, where=where))) == names


def test_each_act_needs_its_permission(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    made = make_host(units, ctx)
    nobody = replace(ctx, permissions=frozenset({"hosts:read", "services:read"}))
    reader = replace(ctx, permissions=frozenset({"hosts:write", "services:write"}))
    any_id = ServiceId(made.id)
    for denied, act in [
        (nobody, lambda c, u: create_host(c, u, HostDraft("x"))),
        (nobody, lambda c, u: replace_host(c, u, made.id, HostDraft("x"), 1)),
        (nobody, lambda c, u: delete_host(c, u, made.id, 1)),
        (nobody, lambda c, u: create_service(c, u, ServiceDraft("x"))),
        (nobody, lambda c, u: replace_service(c, u, any_id, ServiceDraft("x"), 1)),
        (nobody, lambda c, u: delete_service(c, u, any_id, 1)),
        (nobody, lambda c, u: add_dependency(c, u, any_id, any_id, DependencyKind.HARD)),
        (nobody, lambda c, u: remove_dependency(c, u, any_id, any_id)),
        (reader, lambda c, u: host(c, u, made.id)),
        (reader, lambda c, u: HOSTS.question(c, limit=1)),
        (reader, lambda c, u: SERVICES.question(c, limit=1)),
        (reader, lambda c, u: dependencies(c, u, any_id)),
    ]:
        with pytest.raises(DeniedError), units.organization(ctx.organization_id) as uow:
            act(denied, uow)
    assert len(trail(database)) == 1
