import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.access.grants import Grant, narrowed, scope_of, uncovered
from strata_core.access.permissions import PERMISSIONS, Role
from strata_core.access.rules import authorise, require, require_grantable, require_somewhere
from strata_core.context import Actor, ActorKind, Context
from strata_core.roles.rules import (
    RoleDraft,
    RoleNode,
    check_draft,
    check_parent,
    documents_of,
    grants_from,
    grants_of,
    line_of,
    role_key,
)
from strata_datamodel.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from strata_datamodel.ids import OrganizationId, RoleId, uuid7
from strata_datamodel.limits import ROLE_DEPTH

IDS = [RoleId(uuid7(number)) for number in range(1, 8)]
SOME = ["hosts:read", "hosts:write", "alerts:write", "metrics:read"]
LABELS = [{}, {"team": "payments"}, {"team": "search"}, {"team": "payments", "env": "prod"}]
SCOPED = [Grant(name, scope_of(labels)) for name in ("hosts:write", "alerts:write") for labels in LABELS]
grants = st.frozensets(st.sampled_from([*SCOPED, Grant("metrics:read"), Grant("hosts:read")]), max_size=5)
labels = st.sampled_from([*LABELS, {"team": "payments", "env": "dev", "x": "y"}])


@st.composite
def forests(draw):
    """Roles that inherit from those made before them, or from built-in ones: as deep as may be."""
    made: dict[RoleId, RoleNode] = {}
    for number, role_id in enumerate(IDS):
        parents = [None, Role.READ_ONLY, Role.DEVELOPER, *IDS[:number]]
        made[role_id] = RoleNode(role_id, f"r{number}", draw(st.sampled_from(parents)), draw(grants))
    return made


def node(number: int, parent=None, own=()) -> RoleNode:
    return RoleNode(IDS[number], f"r{number}", parent, frozenset(own))


def context(held) -> Context:
    return Context(
        OrganizationId(uuid7(1)),
        Actor(ActorKind.SYSTEM, None, "test"),
        frozenset(grant.permission for grant in held if not grant.scope),
        "r",
        scoped=frozenset(grant for grant in held if grant.scope),
    )


def model(role_id, forest) -> frozenset[Grant]:
    """Inheritance said once more, in the plainest way."""
    if role_id is None:
        return frozenset()
    if isinstance(role_id, Role):
        return grants_of(role_id, {})
    return forest[role_id].own | model(forest[role_id].parent, forest)


@given(forests())
def test_a_role_holds_its_own_and_all_that_its_ancestors_hold(forest):
    for role_id in IDS:
        assert grants_of(role_id, forest) == model(role_id, forest)


@given(forests(), st.sampled_from(IDS), st.sampled_from(IDS))
def test_a_parent_that_would_close_a_circle_is_refused_and_no_other(forest, child, parent):
    closes = child in [each.key for each in line_of(parent, forest)]
    refused = None
    try:
        check_parent(child, parent, forest)
    except (ConflictError, InvalidError) as error:
        refused = error.code
    assert refused == "role_cycle" if closes else refused in {None, "role_too_deep"}


def test_a_circle_in_the_rows_ends_and_grants_what_was_seen():
    circle = {IDS[0]: node(0, IDS[1], [Grant("hosts:read")]), IDS[1]: node(1, IDS[0], [Grant("hosts:write")])}
    assert len(line_of(IDS[0], circle)) == ROLE_DEPTH
    assert grants_of(IDS[0], circle) == {Grant("hosts:read"), Grant("hosts:write")}


def test_roles_inherit_only_so_deep_counted_from_both_ends():
    ids = [RoleId(uuid7(number)) for number in range(20, 20 + 2 * ROLE_DEPTH)]

    def chain(members):
        return {
            role_id: RoleNode(role_id, str(role_id), members[number - 1] if number else None, frozenset())
            for number, role_id in enumerate(members)
        }

    half = ROLE_DEPTH // 2
    forest = chain(ids[:half]) | chain(ids[half:ROLE_DEPTH])
    check_parent(ids[half], ids[half - 1], forest)  # exactly the depth
    longer = chain(ids[:half]) | chain(ids[half : ROLE_DEPTH + 1])
    with pytest.raises(InvalidError) as refused:
        check_parent(ids[half], ids[half - 1], longer)
    assert refused.value.code == "role_too_deep"


def test_nothing_inherits_from_the_owner_or_from_what_is_not_there():
    with pytest.raises(DeniedError) as denied:
        check_parent(None, Role.OWNER, {})
    assert denied.value.code == "owner_by_membership"
    with pytest.raises(InvalidError):
        check_parent(None, IDS[0], {})


@given(grants, st.sampled_from(["hosts:write", "alerts:write", "metrics:read"]), labels)
def test_the_decision_is_that_some_grant_names_the_permission_and_is_contained(held, permission, of_entity):
    ctx = context(held)
    expected = any(grant.permission == permission and set(grant.scope) <= set(of_entity.items()) for grant in held)
    assert authorise(ctx.permissions, ctx.scoped, permission, of_entity).is_allowed == expected


@given(grants, st.sampled_from(["hosts:write", "alerts:write"]))
def test_a_scoped_permission_is_never_the_permission_everywhere(held, permission):
    ctx = context(held)
    assert authorise(ctx.permissions, ctx.scoped, permission).is_allowed == (Grant(permission) in held)


@given(grants, grants, labels)
def test_who_may_grant_can_do_all_that_is_granted(grantor, granted, of_entity):
    if uncovered(granted, grantor):
        with pytest.raises(DeniedError) as refused:
            require_grantable(context(grantor), granted)
        assert refused.value.code == "grant_exceeds_grantor"
        return
    require_grantable(context(grantor), granted)
    mine, theirs = context(grantor), context(granted)
    for permission in SOME:
        if authorise(theirs.permissions, theirs.scoped, permission, of_entity).is_allowed:
            assert authorise(mine.permissions, mine.scoped, permission, of_entity).is_allowed


@given(grants, st.frozensets(st.sampled_from(SOME)))
def test_a_key_of_an_account_has_no_more_than_either(held, scopes):
    left = narrowed(held, scopes)
    assert left <= held
    assert {grant.permission for grant in left} <= scopes


def test_outside_its_scope_a_permission_is_refused_and_the_scope_is_named():
    ctx = context({Grant("hosts:write", scope_of({"team": "payments"}))})
    require(ctx, "hosts:write", {"team": "payments", "env": "prod"})
    require_somewhere(ctx, "hosts:write")
    for of_entity in ({"team": "search"}, {}, None):
        with pytest.raises(DeniedError, match="team=payments") as refused:
            require(ctx, "hosts:write", of_entity)
        assert refused.value.code == "outside_scope"
    with pytest.raises(DeniedError) as missing:
        require_somewhere(ctx, "hosts:read")
    assert missing.value.code == "permission_missing"


@given(grants)
def test_permissions_survive_being_written_down(held):
    assert frozenset(grants_from(documents_of(held))) == held


@pytest.mark.parametrize(
    ("draft", "pointer"),
    [
        (RoleDraft(" "), "/name"),
        (RoleDraft("Owner"), "/name"),
        (RoleDraft("custom"), "/name"),
        (RoleDraft("x", grants=(Grant("hosts:burn"),)), "/permissions/0"),
        (RoleDraft("x", grants=(Grant("logs:read", scope_of({"a": "b"})),)), "/permissions/0/labels"),
        (RoleDraft("x", grants=(Grant("hosts:read", scope_of({"": "b"})),)), "/permissions/0/labels"),
        (RoleDraft("x", grants=(Grant("hosts:read"),) * 201), "/permissions"),
    ],
)
def test_what_no_role_can_be_is_refused_at_its_place(draft, pointer):
    with pytest.raises(InvalidError) as refused:
        check_draft(draft)
    assert pointer in [problem.where for problem in refused.value.problems]


def test_a_scope_that_nothing_would_honour_grants_nothing_even_if_a_row_says_so():
    forest = {
        IDS[0]: node(0, None, [Grant("logs:read", scope_of({"a": "b"})), Grant("gone:read"), Grant("hosts:read")])
    }
    assert grants_of(IDS[0], forest) == {Grant("hosts:read")}


def test_a_role_is_named_by_a_built_in_name_or_an_id():
    assert role_key("devops") is Role.DEVOPS
    assert role_key(str(IDS[0])) == IDS[0]
    with pytest.raises(NotFoundError):
        role_key("nobody")


def test_the_resolution_of_downtime_is_for_admins_and_its_reading_for_developers():
    for permission in ("downtime:write", "downtime:resolve"):
        assert permission in PERMISSIONS
        holders = {role for role in Role if Grant(permission) in grants_of(role, {})}
        assert holders == {Role.OWNER, Role.ADMIN}
    assert Grant("downtime:read") in grants_of(Role.DEVELOPER, {})
