import threading
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from factories.contexts import context
from strata_core.access.grants import Grant, everywhere, scope_of, somewhere
from strata_core.access.permissions import Role
from strata_core.access.rules import authorise
from strata_core.new_ids import new_id
from strata_core.roles.commands import assign_role, create_role, delete_role, replace_role, unassign_role
from strata_core.roles.effective import account_grants, member_grants, team_grants
from strata_core.roles.explaining import explain_access
from strata_core.roles.queries import assignment_page, role
from strata_core.roles.rules import RoleDraft
from strata_core.roles.subjects import Subject, SubjectKind
from strata_core.service_accounts.commands import create_service_account
from strata_core.teams.commands import add_team_member, create_team, delete_team, remove_team_member
from strata_datamodel.errors import ConflictError, DeniedError, InvalidError, NotFoundError, PreconditionError
from strata_datamodel.ids import RoleId, UserId
from strata_datamodel.tables.organizations import memberships, organizations
from strata_datamodel.tables.roles import roles
from strata_datamodel.tables.teams import team_members
from strata_datamodel.tables.users import users

pytestmark = pytest.mark.usefixtures("second_unmoved")
PAYMENTS = scope_of({"team": "payments"})
WEAK = frozenset({"roles:write", "roles:read", "teams:write", "teams:read", "hosts:read"})


@pytest.fixture
def ctx(two_organizations):
    return context(two_organizations.first)


@pytest.fixture
def weak(two_organizations):
    """May change roles and teams, but holds nearly nothing to give."""
    return context(two_organizations.first, permissions=WEAK)


def member(system_units, organization_id, base_role="custom") -> UserId:
    with system_units.system() as uow:
        user_id = UserId(new_id(uow))
        uow.execute(insert(users), {"id": user_id, "email": f"{user_id}@example.test"})
        ids = {"organization_id": organization_id, "id": new_id(uow), "user_id": user_id}
        uow.execute(insert(memberships), {**ids, "role": base_role})
    return user_id


def made(units, ctx, name, *grants, parent=None) -> RoleId:
    with units.organization(ctx.organization_id) as uow:
        view = create_role(ctx, uow, RoleDraft(name, "", parent, tuple(grants)))
    assert view.id is not None
    return view.id


def of_user(user_id) -> Subject:
    return Subject(SubjectKind.USER, user_id)


def held(units, ctx, user_id, base="custom") -> frozenset[Grant]:
    with units.organization(ctx.organization_id) as uow:
        return member_grants(uow, user_id, base)


def test_a_member_holds_what_is_assigned_inherited_and_given_to_their_teams(units, system_units, ctx):
    user_id = member(system_units, ctx.organization_id)
    assert held(units, ctx, user_id) == frozenset()
    upper = made(units, ctx, "upper", Grant("metrics:read"))
    lower = made(units, ctx, "lower", Grant("alerts:write", PAYMENTS), parent=upper)
    of_team = made(units, ctx, "of team", Grant("logs:read"))
    with units.organization(ctx.organization_id) as uow:
        assign_role(ctx, uow, of_user(user_id), lower)
        team = create_team(ctx, uow, name="night")
        assign_role(ctx, uow, Subject(SubjectKind.TEAM, team.id), of_team)
        add_team_member(ctx, uow, team.id, user_id)
    expected = {Grant("metrics:read"), Grant("alerts:write", PAYMENTS), Grant("logs:read")}
    assert held(units, ctx, user_id) == expected
    with units.organization(ctx.organization_id) as uow:
        remove_team_member(ctx, uow, team.id, user_id)
    assert held(units, ctx, user_id) == expected - {Grant("logs:read")}
    with units.organization(ctx.organization_id) as uow:
        add_team_member(ctx, uow, team.id, user_id)
        delete_team(ctx, uow, team.id, 1)
        (assignment,) = assignment_page(ctx, uow, limit=9)
        unassign_role(ctx, uow, assignment.id)
    assert held(units, ctx, user_id) == frozenset()


def test_changing_a_role_takes_effect_at_once_for_its_heirs_too(units, system_units, ctx):
    user_id = member(system_units, ctx.organization_id)
    upper = made(units, ctx, "upper", Grant("metrics:read"))
    lower = made(units, ctx, "lower", parent=upper)
    with units.organization(ctx.organization_id) as uow:
        assign_role(ctx, uow, of_user(user_id), lower)
        replace_role(ctx, uow, upper, RoleDraft("upper", grants=(Grant("logs:read"),)), 1)
    assert held(units, ctx, user_id) == {Grant("logs:read")}
    with units.organization(ctx.organization_id) as uow:
        replace_role(ctx, uow, lower, RoleDraft("lower", parent=Role.READ_ONLY), 1)
        assert held(units, ctx, user_id) == {Grant("logs:read")}  # not before it is committed
    assert Grant("hosts:read") in held(units, ctx, user_id)


def test_two_parents_set_at_once_make_no_circle(units, ctx):
    """Each is fine alone. Many pairs, as a race may go well by chance."""
    for number in range(8):
        first, second = made(units, ctx, f"first {number}"), made(units, ctx, f"second {number}")
        start, outcomes = threading.Barrier(2, timeout=10), []

        def run(child, parent, name, start=start, outcomes=outcomes):
            start.wait()
            try:
                with units.organization(ctx.organization_id) as uow:
                    replace_role(ctx, uow, child, RoleDraft(name, parent=parent), 1)
                outcomes.append("set")
            except ConflictError as error:
                outcomes.append(error.code)

        pairs = ((first, second, f"first {number}"), (second, first, f"second {number}"))
        threads = [threading.Thread(target=run, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["role_cycle", "set"]


def test_a_role_of_an_old_version_is_not_overwritten(units, ctx):
    role_id = made(units, ctx, "r")
    with units.organization(ctx.organization_id) as uow:
        replace_role(ctx, uow, role_id, RoleDraft("r2"), 1)
        with pytest.raises(PreconditionError):
            replace_role(ctx, uow, role_id, RoleDraft("r3"), 1)


def test_a_role_in_use_is_not_deleted(units, system_units, ctx):
    user_id = member(system_units, ctx.organization_id)
    upper = made(units, ctx, "upper")
    lower = made(units, ctx, "lower", parent=upper)
    with units.organization(ctx.organization_id) as uow:
        assignment = assign_role(ctx, uow, of_user(user_id), lower)
        for role_id in (upper, lower):
            with pytest.raises(ConflictError) as refused:
                delete_role(ctx, uow, role_id, 1)
            assert refused.value.code == "role_in_use"
        unassign_role(ctx, uow, assignment.id)
        delete_role(ctx, uow, lower, 1)
        delete_role(ctx, uow, upper, 1)
        with pytest.raises(NotFoundError):
            role(ctx, uow, upper)


def test_nobody_grants_what_they_do_not_hold_by_any_way(units, system_units, ctx, weak):
    """Making, editing, re-parenting, assigning to each kind of subject, and raising a team."""
    user_id = member(system_units, ctx.organization_id)
    strong = made(units, ctx, "strong", Grant("hosts:write"))
    harmless = made(units, ctx, "harmless", Grant("hosts:read"))
    with units.organization(ctx.organization_id) as uow:
        account = create_service_account(ctx, uow, name="ci")
        team = create_team(ctx, uow, name="strong ones")
        empty = create_team(ctx, uow, name="nobody")
        assign_role(ctx, uow, Subject(SubjectKind.TEAM, team.id), strong)
        assign_role(ctx, uow, of_user(user_id), harmless)
    subjects = [of_user(user_id), Subject(SubjectKind.TEAM, empty.id), Subject(SubjectKind.SERVICE_ACCOUNT, account.id)]
    ways = [
        lambda uow: create_role(weak, uow, RoleDraft("new", grants=(Grant("hosts:write"),))),
        lambda uow: create_role(weak, uow, RoleDraft("new", grants=(Grant("hosts:write", PAYMENTS),))),
        lambda uow: create_role(weak, uow, RoleDraft("new", parent=strong)),
        lambda uow: create_role(weak, uow, RoleDraft("new", parent=Role.DEVELOPER)),
        lambda uow: replace_role(weak, uow, harmless, RoleDraft("harmless", grants=(Grant("hosts:write"),)), 1),
        lambda uow: replace_role(weak, uow, harmless, RoleDraft("harmless", parent=strong), 1),
        lambda uow: replace_role(weak, uow, harmless, RoleDraft("harmless", parent=Role.ADMIN), 1),
        lambda uow: add_team_member(weak, uow, team.id, user_id),
        *(lambda uow, whom=whom: assign_role(weak, uow, whom, strong) for whom in subjects),
        *(lambda uow, whom=whom: assign_role(weak, uow, whom, Role.READ_ONLY) for whom in subjects),
    ]
    for way in ways:
        with pytest.raises(DeniedError) as refused, units.organization(ctx.organization_id) as uow:
            way(uow)
        assert refused.value.code == "grant_exceeds_grantor"
    with units.organization(ctx.organization_id) as uow:
        assert member_grants(uow, user_id, "custom") == {Grant("hosts:read")}
        assert team_grants(uow, empty.id) == account_grants(uow, account.id) == frozenset()
        assign_role(weak, uow, subjects[1], harmless)  # what they hold they may give
        replace_role(weak, uow, strong, RoleDraft("strong", "less or the same", grants=(Grant("hosts:write"),)), 1)


def test_a_scoped_holder_gives_within_their_scope_only(units, ctx, two_organizations):
    scoped = frozenset({Grant("hosts:write", PAYMENTS)})
    limited = context(two_organizations.first, permissions=WEAK)
    limited = type(limited)(limited.organization_id, limited.actor, limited.permissions, "r", scoped=scoped)
    narrower = Grant("hosts:write", scope_of({"team": "payments", "env": "prod"}))
    with units.organization(ctx.organization_id) as uow:
        create_role(limited, uow, RoleDraft("narrower", grants=(narrower,)))
        for too_much in (Grant("hosts:write"), Grant("hosts:write", scope_of({"team": "search"}))):
            with pytest.raises(DeniedError):
                create_role(limited, uow, RoleDraft("more", grants=(too_much,)))


def test_the_owners_role_is_neither_assigned_nor_inherited(units, system_units, ctx):
    user_id = member(system_units, ctx.organization_id)
    with units.organization(ctx.organization_id) as uow:
        for way in (
            lambda: assign_role(ctx, uow, of_user(user_id), Role.OWNER),
            lambda: create_role(ctx, uow, RoleDraft("boss", parent=Role.OWNER)),
        ):
            with pytest.raises(DeniedError) as refused:
                way()
            assert refused.value.code == "owner_by_membership"


def test_roles_of_another_organization_do_not_exist_here(units, system_units, ctx, two_organizations):
    with system_units.system() as uow:  # taken away below: the second stays unmoved
        ids = {"organization_id": two_organizations.second, "id": RoleId(new_id(uow)), "name": "theirs"}
        uow.execute(insert(roles), ids)
    theirs = ids["id"]
    user_id = member(system_units, ctx.organization_id)
    mine = made(units, ctx, "mine")
    ways = [
        lambda uow: role(ctx, uow, theirs),
        lambda uow: replace_role(ctx, uow, theirs, RoleDraft("x"), 1),
        lambda uow: delete_role(ctx, uow, theirs, 1),
        lambda uow: assign_role(ctx, uow, of_user(user_id), theirs),
    ]
    for way in ways:
        with units.organization(ctx.organization_id) as uow, pytest.raises(NotFoundError):
            way(uow)
    with units.organization(ctx.organization_id) as uow, pytest.raises(InvalidError):
        replace_role(ctx, uow, mine, RoleDraft("mine", parent=theirs), 1)
    with system_units.system() as uow:
        assert uow.execute(delete(roles).where(roles.c.id == theirs)).rowcount == 1


def test_nobody_outside_the_organization_is_given_a_role(units, system_units, ctx):
    strangers = [
        of_user(uuid4()),
        Subject(SubjectKind.TEAM, uuid4()),
        Subject(SubjectKind.SERVICE_ACCOUNT, uuid4()),
    ]
    for stranger in strangers:
        with units.organization(ctx.organization_id) as uow, pytest.raises(NotFoundError) as refused:
            assign_role(ctx, uow, stranger, Role.READ_ONLY)
        assert refused.value.code == "subject_not_found"
    with units.organization(ctx.organization_id) as uow, pytest.raises(InvalidError):
        assign_role(ctx, uow, Subject(SubjectKind.API_KEY, uuid4()), Role.READ_ONLY)
    user_id = member(system_units, ctx.organization_id)
    with units.organization(ctx.organization_id) as uow:
        assign_role(ctx, uow, of_user(user_id), Role.READ_ONLY)
    with units.organization(ctx.organization_id) as uow, pytest.raises(ConflictError) as twice:
        assign_role(ctx, uow, of_user(user_id), Role.READ_ONLY)
    assert twice.value.code == "already_assigned"


def test_who_leaves_takes_no_role_back_when_they_return(units, system_units, ctx):
    user_id = member(system_units, ctx.organization_id)
    with units.organization(ctx.organization_id) as uow:
        team = create_team(ctx, uow, name="night")
        assign_role(ctx, uow, of_user(user_id), Role.DEVOPS)
        assign_role(ctx, uow, Subject(SubjectKind.TEAM, team.id), Role.DEVELOPER)
        add_team_member(ctx, uow, team.id, user_id)
        uow.execute(delete(memberships).where(memberships.c.user_id == user_id))
    with units.organization(ctx.organization_id) as uow:
        assert uow.execute(select(team_members)).all() == []
        assert [each.subject.kind for each in assignment_page(ctx, uow, limit=9)] == [SubjectKind.TEAM]
        ids = {"organization_id": ctx.organization_id, "id": new_id(uow), "user_id": user_id, "role": "custom"}
        uow.execute(insert(memberships), ids)
        assert member_grants(uow, user_id, "custom") == frozenset()


def test_an_organization_goes_with_all_its_roles(units, system_units, ctx, database):
    user_id = member(system_units, ctx.organization_id)
    upper = made(units, ctx, "upper")
    lower = made(units, ctx, "lower", parent=upper)
    with units.organization(ctx.organization_id) as uow:
        assign_role(ctx, uow, of_user(user_id), lower)
    with system_units.system() as uow:
        uow.execute(delete(organizations).where(organizations.c.id == ctx.organization_id))
    assert database.rows("SELECT FROM roles") == database.rows("SELECT FROM role_assignments") == []


def test_each_change_is_audited_and_told(units, system_units, ctx, database):
    user_id = member(system_units, ctx.organization_id)
    role_id = made(units, ctx, "r", Grant("hosts:read", PAYMENTS))
    with units.organization(ctx.organization_id) as uow:
        replace_role(ctx, uow, role_id, RoleDraft("r"), 1)
        assignment = assign_role(ctx, uow, of_user(user_id), role_id)
        unassign_role(ctx, uow, assignment.id)
        delete_role(ctx, uow, role_id, 2)
    kinds = ["role.created", "role.changed", "role_assignment.created", "role_assignment.deleted", "role.deleted"]
    assert [row["action"] for row in database.rows("SELECT action FROM audit_log ORDER BY id")] == kinds
    assert [row["kind"] for row in database.rows("SELECT kind FROM outbox ORDER BY id")] == kinds
    (first, *_) = database.rows("SELECT after FROM audit_log ORDER BY id")
    assert first["after"]["permissions"] == [  # type: ignore[index]
        {"resource": "hosts", "action": "read", "labels": {"team": "payments"}}
    ]


GRANTS = [Grant("hosts:write"), Grant("hosts:write", PAYMENTS), Grant("alerts:write", PAYMENTS), Grant("logs:read")]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    base=st.sampled_from(["custom", "read_only", "devops", "owner"]),
    own=st.frozensets(st.sampled_from(GRANTS)),
    inherited=st.frozensets(st.sampled_from(GRANTS)),
    of_team=st.frozensets(st.sampled_from(GRANTS)),
    permission=st.sampled_from(["hosts:write", "alerts:write", "logs:read", "organization:delete"]),
    labels=st.sampled_from([None, {}, {"team": "payments"}, {"team": "search"}]),
)
def test_the_explanation_is_the_decision(units, system_units, ctx, base, own, inherited, of_team, permission, labels):
    user_id = member(system_units, ctx.organization_id, base)
    name = uuid4().hex
    upper = made(units, ctx, f"{name} upper", *inherited)
    lower = made(units, ctx, f"{name} lower", *own, parent=upper)
    shared = made(units, ctx, f"{name} team", *of_team)
    with units.organization(ctx.organization_id) as uow:
        assign_role(ctx, uow, of_user(user_id), lower)
        team = create_team(ctx, uow, name=name)
        assign_role(ctx, uow, Subject(SubjectKind.TEAM, team.id), shared)
        add_team_member(ctx, uow, team.id, user_id)
        told = explain_access(ctx, uow, of_user(user_id), permission, labels)
        grants = member_grants(uow, user_id, base)
    decision = authorise(everywhere(grants), somewhere(grants), permission, labels)
    assert told.is_allowed == decision.is_allowed
    assert bool(told.through) == told.is_allowed
    assert bool(told.missing) != told.is_allowed
    ways = {(way.held.via.value, way.line[-1].name) for way in told.through}
    reaching = {
        source: any(each.permission == permission and (not each.scope or each.reaches(labels or {})) for each in given_)
        for source, given_ in (("lower", own), ("upper", inherited), ("team", of_team))
    }
    for source, is_way in reaching.items():
        via = "team" if source == "team" else "assignment"
        assert ((via, f"{name} {source}") in ways) == is_way
