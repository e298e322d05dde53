from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import update

from strata_datamodel.tables.inventory import hosts

HOSTS = "/api/v1/orgs/acme/hosts"
SERVICES = "/api/v1/orgs/acme/services"


def make(world, path, **form):
    answer = world.client.post(path, json=form, headers=world.acme.admin)
    assert answer.status_code == 201, answer.text
    return answer.json()


def send(world, method, path, tag, **options):
    return world.client.request(method, path, headers={**world.acme.admin, "if-match": tag}, **options)


def test_a_host_lives_through_all_its_changes(api):
    made = api.client.post(HOSTS, json={"name": "db-1", "tags": {"rack": "7"}, "region": "eu"}, headers=api.acme.admin)
    path = f"{HOSTS}/{made.json()['id']}"
    assert api.client.get(path, headers=api.acme.admin).headers["etag"] == made.headers["etag"]
    patched = send(api, "PATCH", path, made.headers["etag"], json={"status": "maintenance", "region": None})
    assert patched.status_code == 200, patched.text
    assert (patched.json()["status"], patched.json()["region"], patched.json()["tags"]) == (
        "maintenance",
        None,
        {"rack": "7"},
    )
    put = send(api, "PUT", path, patched.headers["etag"], json={"name": "db-1b"})
    assert (put.json()["name"], put.json()["tags"], put.json()["version"]) == ("db-1b", {}, 3)
    assert send(api, "DELETE", path, made.headers["etag"]).status_code == 412
    assert send(api, "DELETE", path, put.headers["etag"]).status_code == 204
    assert api.client.get(path, headers=api.acme.admin).status_code == 404
    actions = [row["action"] for row in api.database.rows("SELECT action FROM audit_log WHERE target_kind = 'host'")]
    assert sorted(actions) == ["host.changed", "host.changed", "host.created", "host.deleted"]


def test_a_change_without_a_version_is_refused(shared_api):
    path = f"{HOSTS}/{make(shared_api, HOSTS, name=uuid4().hex)['id']}"
    for method in ("PUT", "PATCH", "DELETE"):
        body = {} if method == "DELETE" else {"json": {"name": "x"}}
        assert shared_api.client.request(method, path, headers=shared_api.acme.admin, **body).status_code == 428


def test_of_two_changes_to_one_version_of_a_host_one_wins(api):
    made = api.client.post(HOSTS, json={"name": "db-1"}, headers=api.acme.admin)
    path, tag = f"{HOSTS}/{made.json()['id']}", made.headers["etag"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: send(api, "PATCH", path, tag, json={"region": f"r{n}"}), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]


def test_hosts_are_filtered_and_paged(api):
    for number in range(5):
        make(api, HOSTS, name=f"web-{number}", environment="prod", tags={"rack": str(number % 2)})
    make(api, HOSTS, name="db-1", environment="test", tags={"rack": "0"})

    def names(**query):
        found, cursor = [], None
        while True:
            page = api.client.get(
                HOSTS, params={**query, "limit": 2, **({"cursor": cursor} if cursor else {})}, headers=api.acme.admin
            ).json()
            found += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert names() == ["db-1", "web-0", "web-1", "web-2", "web-3", "web-4"]
    assert names(environment="test") == ["db-1"]
    assert names(tag="rack:1") == ["web-1", "web-3"]
    assert names(name_prefix="web", tag="rack") == ["web-0", "web-1", "web-2", "web-3", "web-4"]
    assert names(status="down") == []


def test_a_cursor_keeps_to_its_filters(api):
    for number in range(3):
        make(api, HOSTS, name=f"web-{number}", environment="prod")
    cursor = api.client.get(HOSTS, params={"limit": 1, "environment": "prod"}, headers=api.acme.admin).json()
    other = {"limit": 1, "environment": "test", "cursor": cursor["next_cursor"]}
    assert api.client.get(HOSTS, params=other, headers=api.acme.admin).json()["code"] == "bad_cursor"


def test_names_are_free_in_another_organization_and_taken_in_ones_own(api):
    make(api, HOSTS, name="db-1")
    again = api.client.post(HOSTS, json={"name": "db-1"}, headers=api.acme.admin)
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    theirs = api.client.post("/api/v1/orgs/globex/hosts", json={"name": "db-1"}, headers=api.globex.admin)
    assert theirs.status_code == 201


def test_another_organizations_host_is_not_there(api):
    theirs = api.client.post("/api/v1/orgs/globex/hosts", json={"name": "g-1"}, headers=api.globex.admin)
    path = f"{HOSTS}/{theirs.json()['id']}"
    tag = theirs.headers["etag"]
    assert api.client.get(path, headers=api.acme.admin).status_code == 404
    for method, body in (("PUT", {"name": "x"}), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert send(api, method, path, tag, json=body).status_code == 404
    service = api.client.post(SERVICES, json={"name": "s", "host_id": theirs.json()["id"]}, headers=api.acme.admin)
    assert service.status_code == 422
    assert service.json()["errors"][0]["pointer"] == "/host_id"
    own = api.client.get(f"/api/v1/orgs/globex/hosts/{theirs.json()['id']}", headers=api.globex.admin)
    assert own.headers["etag"] == tag


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": " padded "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\0b"}, "/name"),
        ({"name": "x", "status": "burning"}, "/status"),
        ({"name": "x", "metadata": {"a": "y" * 20_000}}, "/metadata"),
        ({"name": "x", "tags": {"a": 1}}, "/tags/a"),
        ({"name": "x", "tag": {}}, "/tag"),
    ],
)
def test_a_form_that_cannot_be_is_refused_by_the_field(shared_api, form, pointer):
    answer = shared_api.client.post(HOSTS, json=form, headers=shared_api.acme.admin)
    assert answer.status_code == 422, answer.text
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


def test_services_depend_on_each_other_but_not_on_themselves(api):
    host = make(api, HOSTS, name="db-1")
    web, db = (make(api, SERVICES, name=name, host_id=host["id"]) for name in ("web", "db"))
    path = f"{SERVICES}/{web['id']}/dependencies"
    made = api.client.post(path, json={"depends_on_id": db["id"]}, headers=api.acme.admin)
    assert made.status_code == 201, made.text
    itself = api.client.post(path, json={"depends_on_id": web["id"]}, headers=api.acme.admin)
    assert itself.status_code == 422
    seen = api.client.get(path, headers=api.acme.admin).json()
    assert [each["depends_on_id"] for each in seen["depends_on"]] == [db["id"]]
    other_side = api.client.get(f"{SERVICES}/{db['id']}/dependencies", headers=api.acme.admin).json()
    assert [each["service_id"] for each in other_side["dependents"]] == [web["id"]]
    assert api.client.delete(f"{path}/{made.json()['id']}", headers=api.acme.admin).status_code == 204
    assert api.client.get(path, headers=api.acme.admin).json() == {"depends_on": [], "dependents": []}


def test_a_service_lives_through_its_changes(api):
    made = api.client.post(SERVICES, json={"name": "web", "health_check": {"path": "/"}}, headers=api.acme.admin)
    path = f"{SERVICES}/{made.json()['id']}"
    patched = send(api, "PATCH", path, made.headers["etag"], json={"status": "up", "health_check": None})
    assert (patched.json()["status"], patched.json()["health_check"], patched.json()["name"]) == ("up", None, "web")
    put = send(api, "PUT", path, patched.headers["etag"], json={"name": "web"})
    assert put.json()["status"] == "unknown"
    assert api.client.get(path, headers={**api.acme.admin, "if-none-match": put.headers["etag"]}).status_code == 304
    assert [each["name"] for each in api.client.get(SERVICES, headers=api.acme.admin).json()["items"]] == ["web"]
    assert send(api, "DELETE", path, put.headers["etag"]).status_code == 204


def test_the_audit_log_is_read_newest_first_and_filtered(api):
    made = make(api, HOSTS, name="db-1")
    path = "/api/v1/orgs/acme/audit-log"
    page = api.client.get(path, params={"limit": 1}, headers=api.acme.admin).json()
    assert [each["action"] for each in page["items"]] == ["host.created"]
    assert page["items"][0]["target_id"] == made["id"]
    rest = api.client.get(path, params={"cursor": page["next_cursor"]}, headers=api.acme.admin).json()["items"]
    assert {"organization.created", "member.added", "api_key.created"} == {each["action"] for each in rest}
    only = api.client.get(path, params={"action": "member.added"}, headers=api.acme.admin).json()["items"]
    assert [each["after"]["role"] for each in only] == ["owner"]
    assert api.client.get(path, params={"since": "2999-01-01T00:00:00Z"}, headers=api.acme.admin).json()["items"] == []
    theirs = api.client.get("/api/v1/orgs/globex/audit-log", headers=api.globex.admin).json()["items"]
    assert made["id"] not in [each["target_id"] for each in theirs]


def test_dead_letters_are_seen_with_their_bytes(api):
    letter = uuid4()
    api.database.run(
        "INSERT INTO dead_letters (organization_id, id, signal, store, reason, item_count, content, content_format)"
        " VALUES (%s, %s, 'metrics', 'influx', 'field type conflict', 2, 'a b=1'::bytea, 'influx_line')",
        api.acme.organization_id,
        letter,
    )
    path = "/api/v1/orgs/acme/dead-letters"
    listed = api.client.get(path, params={"state": "open", "signal": "metrics"}, headers=api.acme.admin).json()
    assert [(each["id"], each["reason"], each["content_bytes"]) for each in listed["items"]] == [
        (str(letter), "field type conflict", 5)
    ]
    assert api.client.get(path, params={"signal": "logs"}, headers=api.acme.admin).json()["items"] == []
    assert api.client.get(f"{path}/{letter}", headers=api.acme.admin).json()["item_count"] == 2
    content = api.client.get(f"{path}/{letter}/content", headers=api.acme.admin)
    assert content.content == b"a b=1"
    assert content.headers["content-disposition"].startswith("attachment")
    assert api.client.get(f"/api/v1/orgs/globex/dead-letters/{letter}", headers=api.globex.admin).status_code == 404


def test_a_poller_sees_that_a_host_lives_and_a_change_needs_no_newer_tag_for_it(api):
    made = api.client.post(HOSTS, json={"name": "db-1"}, headers=api.acme.admin)
    path = f"{HOSTS}/{made.json()['id']}"

    def polled(tag):
        return api.client.get(path, headers={**api.acme.admin, "if-none-match": tag})

    def sight():
        with api.acme.system_units.organization(api.acme.organization_id) as uow:
            uow.execute(update(hosts).values(last_seen_at=uow.now()))

    assert polled(made.headers["etag"]).status_code == 304
    sight()
    seen = polled(made.headers["etag"])
    assert (seen.status_code, seen.json()["version"]) == (200, 1)
    assert seen.json()["last_seen_at"] is not None
    assert polled(seen.headers["etag"]).status_code == 304
    sight()
    assert polled(seen.headers["etag"]).json()["last_seen_at"] > seen.json()["last_seen_at"]
    assert send(api, "PATCH", path, seen.headers["etag"], json={"region": "eu"}).status_code == 200
    assert send(api, "PATCH", path, seen.headers["etag"], json={"region": "us"}).status_code == 412
