"""Every operation, against everybody who must not be served. Generated from the routes, so a new one is covered."""

from uuid import uuid4

import pytest

from openapi import bare_deps
from strata_api.app import create_app
from strata_api.deps import Anybody, OwnRequirement, Requirement
from strata_api.openapi import guard_of, operations
from strata_core.access.grants import SCOPABLE
from strata_core.access.permissions import PERMISSIONS, scope_permissions

OPERATIONS = list(operations(create_app(bare_deps())))
GUARDED = [each for each in OPERATIONS if not isinstance(guard_of(each[0]), Anybody)]
IN_ORGANIZATION = [each for each in OPERATIONS if isinstance(guard_of(each[0]), Requirement)]
OF_THE_KEY = [each for each in OPERATIONS if isinstance(guard_of(each[0]), OwnRequirement)]
PUBLIC = {
    "healthz",
    "readyz",
    "metrics",
    "auth_login",
    "auth_second_factor",
    "auth_passkey",
    "auth_passkey_begin",
    "auth_oidc_start",
    "auth_oidc_callback",
    "auth_password_reset_ask",
    "auth_password_reset_confirm",
    "invitations_preview",
    "invitations_accept",
    "links_script",
    "links_invitation",
    "links_invitation_accept",
    "links_password",
    "links_password_set",
    "links_email",
    "links_email_confirm",
}


# Values of a host are shown to who may see the host.
MORE = {each: {"hosts:read"} for each in ("hosts_latest", "servers_metrics", "servers_errors")}


def name(operation) -> str:
    return operation[0].operation_id


def filled(path: str, org: str) -> str:
    while "{" in path:
        before, _, rest = path.partition("{")
        parameter, _, after = rest.partition("}")
        path = before + (org if parameter == "org" else str(uuid4())) + after
    return path


def send(world, operation, org: str, headers):
    _, method, path = operation
    body = {"json": {}} if method in {"POST", "PUT", "PATCH"} else {}
    return world.client.request(method, filled(path, org), headers={"if-match": "*", **headers}, **body)


def assert_problem(answer, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"]
    assert problem["request_id"] == answer.headers["x-request-id"]


def test_every_route_declares_whom_it_serves():
    assert [name(each) for each in OPERATIONS if guard_of(each[0]) is None] == []
    assert {name(each) for each in OPERATIONS if isinstance(guard_of(each[0]), Anybody)} == PUBLIC


def test_every_route_has_an_operation_id_of_its_own():
    names = [name(each) for each in OPERATIONS]
    assert all(names)
    assert len(set(names)) == len(names)


def test_every_route_under_an_organization_requires_a_permission_in_it():
    assert [name(each) for each in OPERATIONS if "{org}" in each[2] and each not in IN_ORGANIZATION] == []


def test_only_routes_of_what_carries_labels_let_in_who_holds_a_permission_for_some():
    guards = [guard_of(each[0]) for each in IN_ORGANIZATION]
    open_ones = [guard for guard in guards if isinstance(guard, Requirement) and guard.in_scope]
    assert {guard.permission.partition(":")[0] for guard in open_ones} == SCOPABLE


@pytest.mark.parametrize("operation", GUARDED, ids=name)
def test_nobody_gets_401_with_a_basic_challenge(shared_api, operation):
    answer = send(shared_api, operation, "acme", {})
    if operation in OF_THE_KEY:
        assert answer.status_code == 401, answer.text
    else:
        assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith('Basic realm="strata"')


@pytest.mark.parametrize("operation", OF_THE_KEY, ids=name)
def test_where_no_organization_is_named_the_key_needs_the_permission_and_people_stay_out(shared_api, operation):
    guard = guard_of(operation[0])
    assert isinstance(guard, OwnRequirement)
    lacking = sorted(PERMISSIONS - {guard.permission})
    refused = send(shared_api, operation, "", shared_api.acme.key_with(*lacking))
    assert refused.status_code == 403, refused.text
    assert guard.permission in refused.text
    passed = send(shared_api, operation, "", shared_api.acme.key_with(guard.permission))
    assert passed.status_code not in {401, 403, 500}, passed.text
    with shared_api.as_member(shared_api.acme, "owner") as owner:
        person = owner.request(operation[1], filled(operation[2], ""))
    assert person.status_code == 403, person.text
    assert "API key" in person.text


@pytest.mark.parametrize("operation", IN_ORGANIZATION, ids=name)
def test_the_admin_of_another_organization_gets_404(shared_api, operation):
    by_slug = send(shared_api, operation, shared_api.acme.slug, shared_api.globex.admin)
    by_id = send(shared_api, operation, str(shared_api.acme.organization_id), shared_api.globex.admin)
    missing = send(shared_api, operation, str(uuid4()), shared_api.globex.admin)
    for answer in (by_slug, by_id, missing):
        assert_problem(answer, 404)
        assert answer.json()["code"] == "organization_not_found"
    assert by_slug.json()["detail"] == missing.json()["detail"]


@pytest.mark.parametrize("operation", IN_ORGANIZATION, ids=name)
def test_a_key_without_the_permission_gets_403_that_names_it(shared_api, operation):
    guard = guard_of(operation[0])
    assert isinstance(guard, Requirement)
    lacking = sorted(PERMISSIONS - {guard.permission})
    answer = send(shared_api, operation, "acme", shared_api.acme.key_with(*lacking))
    assert_problem(answer, 403)
    assert guard.permission in answer.json()["detail"]


@pytest.mark.parametrize("operation", IN_ORGANIZATION, ids=name)
def test_a_key_with_the_permission_passes_the_guard(shared_api, operation):
    guard = guard_of(operation[0])
    assert isinstance(guard, Requirement)
    # Whoever changes a thing is shown it, so the permission to read it goes along.
    held = {guard.permission, guard.permission.replace(":write", ":read"), *MORE.get(name(operation), ())} & PERMISSIONS
    answer = send(shared_api, operation, "acme", shared_api.acme.key_with(*held))
    assert answer.status_code not in {401, 403, 500}, answer.text


@pytest.mark.parametrize("operation", IN_ORGANIZATION, ids=name)
def test_the_lowest_role_only_reads(shared_api, operation):
    guard = guard_of(operation[0])
    assert isinstance(guard, Requirement)
    if guard.permission in scope_permissions(["read"]):
        return
    with shared_api.as_member(shared_api.acme, "read_only") as member:
        _, method, path = operation
        body = {"json": {}} if method in {"POST", "PUT", "PATCH"} else {}
        assert_problem(member.request(method, filled(path, "acme"), **body), 403)
