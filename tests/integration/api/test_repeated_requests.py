from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

KEYS = "/api/v1/orgs/acme/api-keys"
HOSTS = "/api/v1/orgs/acme/hosts"


def post(world, path, body, key, headers=None):
    return world.client.post(path, json=body, headers={**(headers or world.acme.admin), "idempotency-key": key})


def count(world, table):
    query = f"SELECT count(*) FROM {table} WHERE organization_id = %s"
    return world.database.rows(query, world.acme.organization_id)[0]["count"]


def test_a_repeated_request_gets_the_same_answer_and_does_nothing_twice(api):
    first = post(api, HOSTS, {"name": "db-1"}, "k-1")
    again = post(api, HOSTS, {"name": "db-1"}, "k-1")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.headers["etag"] == again.headers["etag"]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert count(api, "hosts") == 1


def test_of_many_at_once_one_is_done_and_the_rest_hear_of_it(api):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(api, HOSTS, {"name": "db-1"}, "k-1"), range(16)))
    assert count(api, "hosts") == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert made
    assert all(each == made[0] for each in made)
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused <= {"idempotency_in_flight"}


def test_a_key_is_for_one_request_only(api):
    post(api, HOSTS, {"name": "db-1"}, "k-1")
    other = post(api, HOSTS, {"name": "db-2"}, "k-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_failed_request_leaves_its_key_free(api):
    api.client.post(HOSTS, json={"name": "db-1"}, headers=api.acme.admin)
    assert post(api, HOSTS, {"name": "db-1"}, "k-1").status_code == 409
    assert post(api, HOSTS, {"name": "db-2"}, "k-1").status_code == 201


def test_another_caller_or_organization_means_another_key(api):
    post(api, HOSTS, {"name": "db-1"}, "k-1")
    colleague = post(api, HOSTS, {"name": "db-1"}, "k-1", api.acme.key_with("admin"))
    assert colleague.status_code == 409
    assert colleague.json()["code"] == "already_exists"
    theirs = post(api, "/api/v1/orgs/globex/hosts", {"name": "db-1"}, "k-1", api.globex.admin)
    assert theirs.status_code == 201
    assert "idempotency-replayed" not in theirs.headers


def test_a_secret_that_is_shown_once_is_replayed_but_never_stored_readable(api):
    draft = {"name": "deploys", "scopes": ["read"]}
    first, again = post(api, KEYS, draft, "k-1"), post(api, KEYS, draft, "k-1")
    assert first.json()["token"] == again.json()["token"]
    stored = b"".join(bytes(row["response"]) for row in api.database.rows("SELECT response FROM idempotency"))
    assert first.json()["token"].encode() not in stored
    assert b"strata_live" not in stored


def test_a_key_is_forgotten_after_a_day(api):
    post(api, HOSTS, {"name": "db-1"}, "k-1")
    api.clock.advance(timedelta(hours=25))
    assert post(api, HOSTS, {"name": "db-2"}, "k-1").status_code == 201


def test_a_key_that_cannot_be_is_refused(shared_api):
    for key in ("", "x" * 256):
        answer = post(shared_api, HOSTS, {"name": "never"}, key)
        assert answer.status_code == 422, (key, answer.text)
