"""Somebody makes an organization of their own, where they may, and owns it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from factories.real_requests import named
from fixtures.api import PASSWORD, api_world
from strata_core.organizations.provisioning import PROVISIONING_SAGA
from strata_datamodel.limits import ORGANIZATIONS_PER_PERSON

ORGS = "/api/v1/orgs"


@pytest.fixture
def ana(shared_api):
    """A member of acme, who owns nothing."""
    with shared_api.as_member(shared_api.acme, "read_only") as visitor:
        yield visitor


def make(visitor, slug=None, **headers):
    body = {"slug": slug or named(), "name": "Mine"}
    return visitor.post(ORGS, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def code_of(answer):
    return answer.status_code, answer.json()["code"]


def rows_of(world, slug):
    return world.database.rows("SELECT id, status FROM organizations WHERE slug = %s", slug)


def test_it_is_theirs_and_nobody_is_served_before_its_saga_opened_it(shared_api, ana):
    begun = make(ana)
    assert begun.status_code == 202, begun.text
    made, saga_id = begun.json()["organization"], begun.json()["saga_id"]
    assert begun.headers["location"] == f"{ORGS}/{made['slug']}"
    assert code_of(ana.get(begun.headers["location"])) == (409, "organization_provisioning")
    me = ana.get("/api/v1/me").json()
    assert {each["slug"]: each["role"] for each in me["organizations"]}[made["slug"]] == "owner"
    (saga,) = shared_api.database.rows("SELECT * FROM sagas WHERE id = %s", saga_id)
    assert (str(saga["organization_id"]), saga["kind"]) == (made["id"], PROVISIONING_SAGA.kind)
    steps = shared_api.database.rows("SELECT state FROM saga_steps WHERE saga_id = %s ORDER BY seq", saga_id)
    assert [step["state"] for step in steps] == ["done", *["pending"] * (len(steps) - 1)]
    shared_api.database.run("UPDATE organizations SET status = 'active' WHERE id = %s", made["id"])
    audit = ana.get(f"{ORGS}/{made['slug']}/audit-log").json()["items"]
    assert {each["action"] for each in audit} == {"organization.created", "member.added", "saga.started"}
    assert {each["actor_label"] for each in audit} == {me["user"]["email"]}
    assert code_of(shared_api.client.get(begun.headers["location"], headers=shared_api.acme.admin))[0] == 404


def test_a_slug_that_anybody_has_is_taken_and_a_bad_one_refused(shared_api, ana):
    assert code_of(make(ana, shared_api.globex.slug)) == (409, "slug_taken")
    assert code_of(make(ana, "Not a slug")) == (422, "bad_slug")
    assert ana.get("/api/v1/me").json()["organizations"][0]["slug"] == "acme"


def test_a_request_that_is_repeated_makes_one(shared_api, ana):
    key, slug = named(), named()
    first, again = (make(ana, slug, idempotency_key=key) for _ in range(2))
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert code_of(make(ana, named(), idempotency_key=key)) == (422, "idempotency_key_reused")
    assert len(rows_of(shared_api, slug)) == 1
    with shared_api.as_member(shared_api.globex, "owner") as stranger:
        assert make(stranger, named(), idempotency_key=key).status_code == 202


def test_a_person_makes_so_many_also_at_once(shared_api, ana):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: make(ana), range(ORGANIZATIONS_PER_PERSON + 2)))
    assert [each.status_code for each in answers].count(202) == ORGANIZATIONS_PER_PERSON
    refused = {code_of(each) for each in answers if each.status_code != 202}
    assert refused == {(422, "organizations_limit")}


def test_a_key_makes_none(shared_api):
    body = {"slug": "by-a-key", "name": "Mine"}
    refused = shared_api.client.post(ORGS, json=body, headers=shared_api.acme.admin)
    assert code_of(refused) == (403, "person_required")
    assert rows_of(shared_api, "by-a-key") == []


def test_where_only_operators_make_them_nobody_else_does(database, tmp_path):
    with api_world(database, tmp_path, has_self_service=False) as world, world.visitor() as visitor:
        login = {"email": world.acme.owner_email, "password": PASSWORD}
        visitor.post("/api/v1/auth/login", json=login).raise_for_status()
        assert code_of(make(visitor, "mine")) == (403, "operators_only")
        assert rows_of(world, "mine") == []
