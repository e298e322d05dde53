"""Two API processes with one cache: what is shown twice, for how long, and what is never shown."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from factories.point_batches import SECOND, batch_of, point
from fixtures.api import PASSWORD, ApiWorld, Tenant, serving
from integration.people.people_world import invited, token_for
from strata_api.api_deps import ApiDeps
from strata_api.app import create_app
from strata_core.caching.kinds import CONFIGURATION, EMPTY_S
from strata_datamodel.tables.outbox import outbox
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.redis.cache import RedisCache
from strata_workers.relay import Answerer
from strata_workers.sender import Sender

QUESTION = {"measurement": "cpu", "field": "usage", "aggregate": "sum", "from": "now-1h"}
NEW = {"cache-control": "no-cache"}


class Pair:
    def __init__(
        self, world: ApiWorld, deps: tuple[ApiDeps, ApiDeps], clients: tuple[httpx.Client, httpx.Client]
    ) -> None:
        self.world, self.deps = world, deps
        self.here, self.elsewhere = clients

    def write(self, tenant: Tenant, value: float, **tags: str) -> None:
        at_ns = self.world.clock.now_ns() - 10 * SECOND
        self.deps[0].metric_store.write(batch_of(tenant.organization_id, point(at_ns, value, **tags)))


def panel(
    client: httpx.Client, tenant: Tenant, headers: dict[str, str] | None = None, **changes: object
) -> httpx.Response:
    asked = {**QUESTION, **changes}
    answer = client.post(
        f"/api/v1/orgs/{tenant.slug}/metrics/query", json=asked, headers={**tenant.admin, **(headers or {})}
    )
    assert answer.status_code == 200, answer.text
    return answer


def total(answer: httpx.Response) -> float:
    return answer.json()["series"][0]["points"][0][1]


@pytest.fixture(scope="module")
def pair(shared_api: ApiWorld, embedded_valkey: EmbeddedValkey) -> Iterator[Pair]:
    with ExitStack() as stack:
        deps, clients = [], []
        for _ in range(2):
            cache = RedisCache(embedded_valkey.url(), shared_api.clock, connect_timeout_s=1.0, timeout_s=2.0)
            stack.callback(cache.close)
            own = replace(shared_api.app.state.deps, cache=cache, registry=CollectorRegistry())
            stack.callback(own.reads.close)
            url = stack.enter_context(serving(create_app(own)))
            deps.append(own)
            clients.append(stack.enter_context(httpx.Client(base_url=url)))
        yield Pair(shared_api, (deps[0], deps[1]), (clients[0], clients[1]))


def test_a_panel_is_the_same_bytes_again_and_says_how_old_it_is(pair: Pair) -> None:
    acme = pair.world.acme
    pair.write(acme, 3.0, host="same")
    first = panel(pair.here, acme)
    pair.write(acme, 4.0, host="same too")
    for client in (pair.here, pair.elsewhere):
        again = panel(client, acme)
        assert again.content == first.content
        assert again.headers["cache-status"] == "strata; hit"
        assert int(again.headers["age"]) <= 60
        assert again.headers["cache-control"] == "no-store"
    assert total(panel(pair.elsewhere, acme, NEW)) == total(first) + 4.0
    assert total(panel(pair.here, acme, NEW)) == total(first) + 4.0


def test_a_panel_is_kept_for_its_step_a_minute_at_most(pair: Pair) -> None:
    acme = pair.world.acme
    pair.write(acme, 1.0, host="steps")
    filters = [{"tag": "host", "value": "steps"}]
    for step, kept_s in (("10s", 10), ("300s", 60)):
        panel(pair.here, acme, step=step, filters=filters)
        pair.world.clock.advance(timedelta(seconds=kept_s - 1))
        assert panel(pair.elsewhere, acme, step=step, filters=filters).headers["cache-status"] == "strata; hit"
        pair.world.clock.advance(timedelta(seconds=2))
        assert panel(pair.elsewhere, acme, step=step, filters=filters).headers["cache-status"] == "strata; fwd=miss"


def test_an_empty_panel_is_found_seconds_after_its_first_point(pair: Pair) -> None:
    acme = pair.world.acme
    filters = [{"tag": "host", "value": "to come"}]
    assert not panel(pair.here, acme, filters=filters).json()["series"]
    pair.write(acme, 7.0, host="to come")
    pair.world.clock.advance(timedelta(seconds=EMPTY_S + 1))
    assert total(panel(pair.here, acme, filters=filters)) == 7.0


def test_one_question_of_two_organizations_has_two_answers(pair: Pair) -> None:
    acme, globex = pair.world.acme, pair.world.globex
    pair.write(acme, 1.0, host="both")
    pair.write(globex, 1000.0, host="both")
    filters = [{"tag": "host", "value": "both"}]
    for _ in range(2):
        for client in (pair.here, pair.elsewhere):
            assert total(panel(client, acme, filters=filters)) == 1.0
            assert total(panel(client, globex, filters=filters)) == 1000.0


def test_a_key_that_was_revoked_is_shown_nothing_kept(pair: Pair) -> None:
    acme = pair.world.acme
    made = pair.here.post(
        "/api/v1/orgs/acme/api-keys", json={"name": "short", "scopes": ["metrics:read"]}, headers=acme.admin
    ).json()
    headers = {"authorization": f"Bearer {made['token']}"}
    path = "/api/v1/orgs/acme/metrics/query"
    assert pair.here.post(path, json=QUESTION, headers=headers).status_code == 200
    assert pair.here.post("/api/v1/orgs/globex/metrics/query", json=QUESTION, headers=headers).status_code == 404
    key = f"/api/v1/orgs/acme/api-keys/{made['id']}"
    headers_of_delete = {**acme.admin, "if-match": pair.here.get(key, headers=acme.admin).headers["etag"]}
    assert pair.here.delete(key, headers=headers_of_delete).status_code == 204
    assert pair.here.post(path, json=QUESTION, headers=headers).status_code == 401


def test_a_question_that_is_wrong_is_refused_each_time(pair: Pair) -> None:
    acme = pair.world.acme
    for _ in range(2):
        refused = pair.here.post(
            "/api/v1/orgs/acme/metrics/query", json={**QUESTION, "step": "nonsense"}, headers=acme.admin
        )
        assert refused.status_code == 422


def test_a_role_made_here_is_listed_everywhere_at_once(pair: Pair) -> None:
    acme, globex = pair.world.acme, pair.world.globex

    def listed(client: httpx.Client, tenant: Tenant) -> list[str]:
        answer = client.get(f"/api/v1/orgs/{tenant.slug}/roles", headers=tenant.admin)
        assert answer.status_code == 200, answer.text
        return [role["name"] for role in answer.json()["items"]]

    before = listed(pair.elsewhere, acme)
    assert listed(pair.elsewhere, acme) == before
    theirs = listed(pair.elsewhere, globex)
    made = pair.here.post("/api/v1/orgs/acme/roles", json={"name": "night shift"}, headers=acme.admin)
    assert made.status_code == 201, made.text
    assert listed(pair.elsewhere, acme) == listed(pair.here, acme) == [*before, "night shift"]
    headers = {**acme.admin, "if-match": made.headers["etag"]}
    assert pair.elsewhere.delete(f"/api/v1/orgs/acme/roles/{made.json()['id']}", headers=headers).status_code == 204
    assert listed(pair.here, acme) == before
    assert listed(pair.elsewhere, globex) == theirs


def test_pages_of_a_kept_list_are_followed_to_the_end(pair: Pair) -> None:
    globex = pair.world.globex
    for number in range(3):
        pair.here.post(
            "/api/v1/orgs/globex/roles", json={"name": f"page {number}"}, headers=globex.admin
        ).raise_for_status()
    for client in (pair.here, pair.elsewhere):
        names, url = [], "/api/v1/orgs/globex/roles?limit=1"
        while url:
            answer = client.get(url, headers=globex.admin)
            names += [role["name"] for role in answer.json()["items"] if not role["is_built_in"]]
            assert ("link" in answer.headers) == (answer.json()["next_cursor"] is not None)
            url = answer.links["next"]["url"] if "next" in answer.links else ""
        assert names == ["page 0", "page 1", "page 2"]


def test_words_that_mean_nothing_make_no_other_page_and_no_other_link(pair: Pair) -> None:
    acme = pair.world.acme
    for number in range(2):
        made = pair.here.post("/api/v1/orgs/acme/roles", json={"name": f"linked {number}"}, headers=acme.admin)
        made.raise_for_status()
    first = pair.here.get("/api/v1/orgs/acme/roles?limit=1&theirs=1", headers=acme.admin)
    assert "theirs" in first.links["next"]["url"]
    for path in (f"/api/v1/orgs/{acme.organization_id}/roles?limit=1&mine=2", "/api/v1/orgs/acme/roles?limit=1&mine=2"):
        again = pair.elsewhere.get(path, headers=acme.admin)
        assert again.headers["cache-status"] == "strata; hit"
        assert again.content == first.content
        assert again.links["next"]["url"].startswith(path)


def test_what_somebody_changes_of_themselves_they_see_everywhere_at_once(pair: Pair) -> None:
    acme = pair.world.acme
    email = acme.member("read_only", pair.world.hasher)
    for client in (pair.here, pair.elsewhere):
        client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status()
    first = pair.here.get("/api/v1/me")
    assert first.json()["user"]["login_count"] == pair.elsewhere.get("/api/v1/me").json()["user"]["login_count"] == 2
    changed = pair.here.patch("/api/v1/me", json={"name": "Ada"}, headers={"if-match": first.headers["etag"]})
    assert changed.status_code == 200, changed.text
    for client in (pair.here, pair.elsewhere):
        me = client.get("/api/v1/me")
        assert me.json()["user"]["name"] == "Ada"
        assert me.headers["etag"] == changed.headers["etag"]
        client.cookies.clear()


def test_an_address_that_is_confirmed_on_its_page_is_shown_everywhere_at_once(pair: Pair) -> None:
    email = pair.world.acme.member("read_only", pair.world.hasher)
    for client in (pair.here, pair.elsewhere):
        client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status()
    pair.here.post("/api/v1/me/email", json={"email": "confirmed@acme.test"}).raise_for_status()
    assert pair.elsewhere.get("/api/v1/me").json()["user"]["email"] == email
    token = token_for(pair.world, "confirmed@acme.test")
    assert pair.here.post("/account/email", data={"token": token}).status_code == 200
    for client in (pair.here, pair.elsewhere):
        assert client.get("/api/v1/me").json()["user"]["email"] == "confirmed@acme.test"
        client.cookies.clear()


def test_who_accepted_an_invitation_is_shown_verified_everywhere_and_may_change_their_name(pair: Pair) -> None:
    email = pair.world.acme.member("read_only", pair.world.hasher)
    for client in (pair.here, pair.elsewhere):
        client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status()
        assert client.get("/api/v1/me").json()["user"]["email_verified_at"] is None
    invited(pair.world, pair.world.globex, email)
    joined = pair.here.post("/api/v1/invitations/accept", json={"token": token_for(pair.world, email)})
    assert joined.status_code == 200, joined.text
    me = pair.elsewhere.get("/api/v1/me")
    assert me.json()["user"]["email_verified_at"] is not None
    changed = pair.elsewhere.patch("/api/v1/me", json={"name": "Eve"}, headers={"if-match": me.headers["etag"]})
    assert changed.status_code == 200, changed.text
    for client in (pair.here, pair.elsewhere):
        client.cookies.clear()


def test_the_event_of_a_change_ends_what_is_kept_though_nobody_told_it_directly(pair: Pair) -> None:
    acme, globex = pair.world.acme, pair.world.globex
    cache = pair.deps[0].cache
    before = [cache.get(each.organization_id, CONFIGURATION.name, "any").generation for each in (acme, globex)]
    pair.world.client.post("/api/v1/orgs/acme/roles", json={"name": "told"}, headers=acme.admin).raise_for_status()
    registry = CollectorRegistry()
    sender = Sender(acme.system_units, None, pair.deps[0].secret_box, registry)  # type: ignore[arg-type]
    answerer = Answerer(acme.system_units, sender, cache, "worker", registry)
    mine = select(outbox.c.id).where(outbox.c.organization_id == acme.organization_id)
    with acme.system_units.system() as uow:
        newest = uow.execute(mine.order_by(outbox.c.id.desc()).limit(1)).scalar_one()
    assert answerer.answer(newest)
    after = [cache.get(each.organization_id, CONFIGURATION.name, "any").generation for each in (acme, globex)]
    assert after[0] != before[0]
    assert after[1] == before[1]
    sender.close()
