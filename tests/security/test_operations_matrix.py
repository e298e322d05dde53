"""Every operation of the document, with real ids and valid bodies, by everybody who must and who must not be served.

`tests/integration/api/test_route_matrix.py` asks the guards alone; here each request would succeed but for its caller.
"""

import json
from uuid import uuid4

import pytest

import openapi
from factories.real_requests import BODIES, LISTED, NEEDED, QUERIES, Things, named, unknown, valid
from strata_core.access.permissions import PERMISSIONS, role_permissions
from waiting import eventually

DOCUMENT = json.loads(openapi.document())
ALL = [(path, method, each) for path, methods in DOCUMENT["paths"].items() for method, each in methods.items()]
IN_ORGANIZATION = [each for each in ALL if "{org}" in each[0]]
WITH_IDS = [each for each in IN_ORGANIZATION if each[0].count("{") > 1]
ONLY_ONCE = [
    each for each in IN_ORGANIZATION if "idempotency-key" in {one["name"] for one in each[2].get("parameters", [])}
]
PAGED = [each for each in IN_ORGANIZATION if "cursor" in {one["name"] for one in each[2].get("parameters", [])}]


UNVERSIONED = {"invitations_revoke"}
# Nobody grants what they do not hold: what the roles in the valid bodies hold.
GIVEN = role_permissions("devops") | role_permissions("developer")
MORE = dict.fromkeys(
    ("invitations_create", "invitations_resend", "invitations_revoke", "members_update", "members_remove"), GIVEN
)
# Whoever sets a provider could be signed in by it as any admin.
MORE |= dict.fromkeys(("identity_provider_put", "identity_provider_delete"), role_permissions("admin"))
# Values of a host are shown to who may see the host.
MORE |= dict.fromkeys(("hosts_latest", "servers_errors", "servers_metrics"), frozenset({"hosts:read"}))
# What a panel shows are metrics.
MORE |= {"dashboards_panel_data": frozenset({"metrics:read"})}
# What no key may do, whatever it holds, but a person who is signed in.
IN_PERSON = {"members_transfer_ownership", "orgs_delete"}


def name(case) -> str:
    return case[2]["operationId"]


def each_of(cases):
    return pytest.mark.parametrize("case", cases, ids=[name(case) for case in cases])


def is_success(answer) -> bool:
    return 200 <= answer.status_code < 300


def code_of(answer) -> str:
    return answer.json()["code"]


@pytest.fixture
def acme(shared_api):
    return Things(shared_api, shared_api.acme)


@pytest.fixture
def globex(shared_api):
    return Things(shared_api, shared_api.globex)


@pytest.fixture(scope="module")
def owners(shared_api):
    """Sessions, each of an organization's owner."""
    visitors = {}
    for tenant in (shared_api.acme, shared_api.globex):
        visitor = visitors[tenant.slug] = shared_api.visitor()
        login = {"email": tenant.owner_email, "password": "correct horse battery"}
        visitor.post("/api/v1/auth/login", json=login).raise_for_status()
    yield visitors
    for visitor in visitors.values():
        visitor.close()


def test_no_operation_is_left_out():
    missing = {name(case): unknown(case[0], case[2]) for case in IN_ORGANIZATION}
    assert {key: value for key, value in missing.items() if value} == {}, "add them to factories/real_requests.py"


def test_nothing_is_tried_that_is_gone():
    assert (set(BODIES) | set(QUERIES)) - {name(case) for case in IN_ORGANIZATION} == set()


@each_of(IN_ORGANIZATION)
def test_nobody_gets_401(shared_api, acme, case):
    answer = valid(acme, *case).send(shared_api.client)
    assert answer.status_code == 401, answer.text


def served(world, request, case):
    """By acme's owner: with a key where one will do."""
    if name(case) not in IN_PERSON:
        return request.send(world.client, world.acme.admin)
    with world.as_member(world.acme, "owner") as owner:
        return request.send(owner)


@each_of(IN_ORGANIZATION)
def test_the_owner_succeeds_by_key_and_by_session(shared_api, acme, case):
    with shared_api.as_member(shared_api.acme, "owner") as owner:
        by_session = valid(acme, *case).send(owner)
    by_key = served(shared_api, valid(acme, *case), case)
    for answer in (by_key, by_session):
        assert is_success(answer), answer.text
        assert str(answer.status_code) in case[2]["responses"]


@each_of(IN_ORGANIZATION)
def test_the_declared_permission_is_enough(shared_api, acme, case):
    permission = case[2]["x-permission"]
    held = {permission, permission.replace(":write", ":read")} & PERMISSIONS | MORE.get(name(case), set())
    request = valid(acme, *case)
    answer = request.send(shared_api.client, shared_api.acme.key_with(*held))
    if name(case) in IN_PERSON:
        assert answer.status_code == 403, answer.text
    else:
        assert is_success(answer), answer.text


@each_of(IN_ORGANIZATION)
def test_the_owner_of_another_organization_gets_404_as_for_one_that_is_not_there(shared_api, acme, owners, case):
    request = valid(acme, *case)
    for client, headers in ((shared_api.client, shared_api.globex.admin), (owners["globex"], {})):
        theirs = request.send(client, headers)
        nowhere = request.send(client, headers, path=request.path.replace("/acme", f"/{named()}", 1))
        assert (theirs.status_code, code_of(theirs)) == (404, "organization_not_found"), theirs.text
        assert (nowhere.status_code, nowhere.json()["detail"]) == (404, theirs.json()["detail"])


@each_of(IN_ORGANIZATION)
def test_the_lowest_role_gets_403_where_it_lacks_the_permission(shared_api, acme, case):
    request = valid(acme, *case)
    with shared_api.as_member(shared_api.acme, "read_only") as member:
        answer = request.send(member)
    if case[2]["x-permission"] in role_permissions("read_only"):
        assert is_success(answer), answer.text
    else:
        assert answer.status_code == 403, answer.text


@each_of(WITH_IDS)
def test_an_id_of_another_organization_is_not_found_in_ones_own(shared_api, acme, globex, owners, case):
    theirs, mine = valid(acme, *case), valid(globex, *case)
    for place, foreign in foreign_ids(mine.path, theirs.path):
        invented = place.replace(foreign, str(uuid4()))
        for client, headers in ((shared_api.client, shared_api.globex.admin), (owners["globex"], {})):
            answer, nothing = (mine.send(client, headers, path=path) for path in (place, invented))
            assert answer.status_code == 404, answer.text
            assert (nothing.status_code, code_of(nothing)) == (404, code_of(answer))
    assert is_success(served(shared_api, theirs, case)), "it was there all along"


def foreign_ids(mine: str, theirs: str):
    """My path with each one of its ids being theirs."""
    parts, others = mine.split("/"), theirs.split("/")
    for at, other in enumerate(others):
        if other.count("-") == 4:
            yield "/".join([*parts[:at], other, *parts[at + 1 :]]), other


@each_of([case for case in IN_ORGANIZATION if name(case) in BODIES])
def test_an_id_of_another_organization_in_a_body_is_as_one_that_is_not_there(shared_api, acme, globex, case):
    mine, theirs = valid(globex, *case), BODIES[name(case)](acme)
    for key, value in theirs.items():
        kind, _, last = str(value).rpartition(":")
        if last.count("-") != 4:
            continue
        invented = f"{kind}:{uuid4()}" if kind else str(uuid4())
        answers = [
            mine.send(shared_api.client, shared_api.globex.admin, json={**mine.body, key: tried})
            for tried in (value, invented)
        ]
        assert not is_success(answers[0]), f"{key}: {answers[0].text}"
        assert answers[0].status_code == answers[1].status_code
        assert code_of(answers[0]) == code_of(answers[1])


@each_of([case for case in IN_ORGANIZATION if name(case) in QUERIES])
def test_an_id_of_another_organization_in_a_query_is_as_one_that_is_not_there(shared_api, acme, globex, case):
    mine, theirs = valid(globex, *case), QUERIES[name(case)](acme)
    for key, value in theirs.items():
        kind, _, last = value.rpartition(":")
        if last.count("-") != 4:
            continue
        invented = f"{kind}:{uuid4()}" if kind else str(uuid4())
        answers = [
            mine.send(shared_api.client, shared_api.globex.admin, params={**mine.query, key: tried})
            for tried in (value, invented)
        ]
        assert answers[0].status_code == answers[1].status_code
        if is_success(answers[0]):
            assert answers[0].json()["items"] == answers[1].json()["items"] == []
        else:
            assert code_of(answers[0]) == code_of(answers[1])


@each_of([case for case in ONLY_ONCE if name(case) not in IN_PERSON])
def test_an_idempotency_key_of_another_organization_replays_nothing(shared_api, acme, globex, case):
    key = {"idempotency-key": str(uuid4())}
    theirs, mine = valid(acme, *case), valid(globex, *case)
    first = theirs.send(shared_api.client, {**shared_api.acme.admin, **key})
    again = theirs.send(shared_api.client, {**shared_api.acme.admin, **key})
    assert again.headers["idempotency-replayed"] == "true"
    other = mine.send(shared_api.client, {**shared_api.globex.admin, **key})
    assert is_success(first)
    assert other.status_code == first.status_code, other.text
    assert "idempotency-replayed" not in other.headers
    assert other.json()["id"] != first.json()["id"]
    stolen = theirs.send(shared_api.client, {**shared_api.globex.admin, **key})
    assert stolen.status_code == 404


# What has a version: how it is read, and how it is changed.
VERSIONED = [
    ((path, "get", methods["get"]), (path, method, methods[method]))
    for path, methods in DOCUMENT["paths"].items()
    for method in ("put", "patch", "delete")
    if "{org}" in path and "get" in methods and method in methods
]


@pytest.mark.parametrize(("reading", "case"), VERSIONED, ids=[name(case) for _, case in VERSIONED])
def test_an_etag_of_another_organization_changes_nothing(shared_api, acme, globex, reading, case):
    tag = valid(acme, *reading).send(shared_api.client, shared_api.acme.admin).headers.get("etag")
    mine = valid(globex, *case)
    if tag is None:
        assert name(case) in UNVERSIONED
        return
    answer = mine.send(shared_api.client, {**shared_api.globex.admin, "if-match": tag})
    assert (answer.status_code, code_of(answer)) == (412, "stale_version"), answer.text


@each_of(PAGED)
def test_a_cursor_of_another_organization_opens_nothing(shared_api, acme, globex, case):
    request = valid(acme, case[0], case[1], {**case[2], "operationId": "without a query"})
    page, needed = LISTED[name(case)], NEEDED.get(name(case), {})
    for _ in range(2):
        page(acme)

    def cursor_of_acme() -> str | None:
        answer = request.send(shared_api.client, shared_api.acme.admin, params={"limit": "1", **needed})
        return answer.json()["next_cursor"]

    # LISTED makes two of what is listed; what was read is written down a moment after it was read.
    cursor = eventually(cursor_of_acme)
    theirs = {"limit": "1", "cursor": cursor, **needed}
    mine = valid(globex, *case).send(shared_api.client, shared_api.globex.admin, params=theirs)
    assert not is_success(mine), mine.text
    assert code_of(mine) == "bad_cursor"
    own = request.send(shared_api.client, shared_api.acme.admin, params=theirs)
    assert is_success(own), own.text


def test_every_list_is_known_by_what_makes_it_longer():
    assert {name(case) for case in PAGED} == set(LISTED)
