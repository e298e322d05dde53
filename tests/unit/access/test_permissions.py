import itertools

import pytest

from strata_core.access.permissions import (
    INGEST,
    PERMISSIONS,
    ROLE_PERMISSIONS,
    Role,
    Scope,
    check_scopes,
    role_permissions,
    scope_permissions,
)
from strata_core.access.rules import check_new_password, folded_email, require, require_grantable
from strata_core.context import Actor, ActorKind, Context
from strata_datamodel.errors import DeniedError, InvalidError
from strata_datamodel.ids import OrganizationId, uuid7


def context(permissions) -> Context:
    return Context(
        organization_id=OrganizationId(uuid7(1)),
        actor=Actor(ActorKind.SYSTEM, None, "test"),
        permissions=frozenset(permissions),
        request_id="r",
    )


def test_roles_only_hold_permissions_that_exist():
    assert set(ROLE_PERMISSIONS) == set(Role)
    for permissions in ROLE_PERMISSIONS.values():
        assert permissions <= PERMISSIONS


def test_each_role_holds_what_the_next_lower_one_holds():
    ladder = [role_permissions(role) for role in (Role.OWNER, Role.ADMIN, Role.DEVOPS, Role.DEVELOPER, Role.READ_ONLY)]
    for higher, lower in itertools.pairwise(ladder):
        assert higher > lower


def test_developers_read_downtime_and_only_admins_change_it():
    holders = {role for role in Role if "downtime:write" in role_permissions(role)}
    assert holders == {Role.OWNER, Role.ADMIN}
    assert "downtime:read" in role_permissions(Role.DEVELOPER)


def test_the_lowest_role_writes_nothing():
    assert all(permission.endswith(":read") for permission in role_permissions(Role.READ_ONLY))


def test_an_ingest_key_may_only_ingest():
    assert scope_permissions([Scope.INGEST]) == {INGEST}


def test_a_read_key_writes_nothing_and_an_admin_key_may_do_all():
    assert all(permission.endswith(":read") for permission in scope_permissions(["read"]))
    assert scope_permissions(["admin"]) == PERMISSIONS


def test_scopes_add_up_and_a_forgotten_one_grants_nothing():
    assert scope_permissions(["ingest", "hosts:read", "gone:read"]) == {INGEST, "hosts:read"}


@pytest.mark.parametrize("scopes", [[], ["root"], ["admin", "hosts:burn"]])
def test_unknown_or_no_scopes_are_refused(scopes):
    with pytest.raises(InvalidError) as refused:
        check_scopes(scopes)
    assert refused.value.code == "bad_scope"


def test_a_missing_permission_is_named():
    require(context({"hosts:read"}), "hosts:read")
    with pytest.raises(DeniedError, match="hosts:write"):
        require(context({"hosts:read"}), "hosts:write")


def test_nobody_grants_what_they_do_not_hold():
    require_grantable(context({"hosts:read"}), {"hosts:read"})
    with pytest.raises(DeniedError, match="hosts:write"):
        require_grantable(context({"hosts:read"}), {"hosts:write", "hosts:read"})


@pytest.mark.parametrize(
    ("given_email", "stored"), [(" Ann@Example.COM ", "ann@example.com"), ("STRASSE@x.de", "strasse@x.de")]
)
def test_addresses_are_folded(given_email, stored):
    assert folded_email(given_email) == stored


@pytest.mark.parametrize("email", ["", "ann", "@x", "ann@", "a@b@c", "a b@c", "a\n@c", "a" * 260 + "@c", "\u13a0@x"])
def test_what_is_no_address_is_refused(email):
    with pytest.raises(InvalidError) as refused:
        folded_email(email)
    assert refused.value.code == "bad_email"


def test_short_and_huge_passwords_are_refused():
    check_new_password("correct horse")
    for password in ("short", "x" * 2000):
        with pytest.raises(InvalidError) as refused:
            check_new_password(password)
        assert password not in refused.value.detail
