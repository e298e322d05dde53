"""Limits of rate at the ingest port, told in each protocol's own way, and keys that end or are bound to networks."""

import pytest

from fixtures.api import SETTER_UP
from strata_core.access.commands import revoke_api_key
from strata_core.access.key_rows import KeyDraft, add_key
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_core.quotas.commands import set_quota
from strata_core.quotas.rules import Quota
from strata_stores.clock import SystemClock
from strata_stores.redis.rate_limiter import RedisRateLimiter
from waiting import eventually

LINE = "cpu,host=a v=1"
DOCUMENT = '{"create":{"_index":"logs"}}\n{"message":"hello"}\n'


@pytest.fixture(params=["valkey", "redis down"])
def limited(request, make_ingest, embedded_valkey):
    """Acme may send one request a second, and two at once."""
    url = embedded_valkey.url() if request.param == "valkey" else "redis://127.0.0.1:1"
    limiter = RedisRateLimiter(url, SystemClock(), connect_timeout_s=1.0, timeout_s=2.0)
    world = make_ingest(limiter=limiter)
    allow(world, Quota.INGEST_REQUESTS, 1)
    yield world
    limiter.close()


def as_operator(world):
    return Context(world.acme.organization_id, SETTER_UP, PERMISSIONS, "fixture")


def allow(world, quota, value):
    with world.machine.system_units.organization(world.acme.organization_id) as uow:
        set_quota(as_operator(world), uow, quota, value)


def refused(send):
    """The first answer that is no success."""
    return next(answer for answer in (send() for _ in range(20)) if answer.status_code >= 400)


def assert_says_when(answer):
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit-policy"] == '"ingest_requests_per_second";q=2;w=2'
    assert answer.headers["ratelimit"].startswith('"ingest_requests_per_second";r=0;t=')


def test_fault_54_a_flood_of_one_organization_leaves_the_other_alone(limited):
    flood = [limited.write(LINE).status_code for _ in range(20)]
    assert flood.count(429) >= 15
    assert [limited.write(LINE, limited.globex).status_code for _ in range(20)] == [204] * 20


def test_influx_two_is_told_in_its_own_words(limited):
    answer = refused(lambda: limited.write(LINE))
    assert answer.status_code == 429
    assert answer.json()["code"] == "too many requests"
    assert_says_when(answer)


def test_influx_one_never_heard_of_429(limited):
    token = limited.acme.token
    answer = refused(lambda: limited.client.post("/write?db=any", content=LINE, headers=token))
    assert answer.status_code == 503
    assert "too many requests" in answer.headers["x-influxdb-error"]
    assert_says_when(answer)


def test_a_bulk_request_is_refused_whole(limited):
    answer = refused(lambda: limited.bulk(DOCUMENT))
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "es_rejected_execution_exception"
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert_says_when(answer)


def test_what_was_refused_is_not_stored_and_what_was_taken_is(limited):
    taken = sum(limited.write(f"cpu,host=h{number} v=1").status_code == 204 for number in range(10))
    assert 0 < taken < 10
    assert limited.count_points() == taken
    assert limited.machine.counted("strata_ingest_limited_total") == 10 - taken


def test_bytes_are_limited_for_the_organization(make_ingest, embedded_valkey):
    limiter = RedisRateLimiter(embedded_valkey.url(), SystemClock(), connect_timeout_s=1.0, timeout_s=2.0)
    world = make_ingest(limiter=limiter)
    allow(world, Quota.INGEST_BYTES, 100)
    lines = "\n".join(f"cpu,host=h{number} v=1" for number in range(50))
    assert world.write(lines).status_code == 204  # larger than all there is: a full bucket lets it through
    answer = world.write(LINE * 3)
    assert answer.status_code == 429
    assert answer.headers["ratelimit-policy"] == '"ingest_bytes_per_second";q=200;w=2'
    assert world.write(lines, world.globex).status_code == 204
    limiter.close()


def test_a_key_for_a_network_does_not_send_from_elsewhere_whatever_it_claims(ingest):
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        key = add_key(
            as_operator(ingest), uow, KeyDraft(name="rack", scopes=["ingest"], allowed_networks=["192.0.2.0/24"])
        )
    headers = {"authorization": f"Token {key.text}", "x-forwarded-for": "192.0.2.7"}
    answer = ingest.client.post("/api/v2/write", content=LINE, headers=headers)
    assert answer.status_code == 403
    assert "may not be used from this address" in answer.json()["message"]
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        key = add_key(
            as_operator(ingest), uow, KeyDraft(name="here", scopes=["ingest"], allowed_networks=["127.0.0.0/8"])
        )
    headers = {"authorization": f"Token {key.text}"}
    assert ingest.client.post("/api/v2/write", content=LINE, headers=headers).status_code == 204


def test_a_revoked_key_is_refused_within_five_seconds(ingest):
    ctx = as_operator(ingest)
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        key = add_key(ctx, uow, KeyDraft(name="leaked", scopes=["ingest"]))
    headers = {"authorization": f"Token {key.text}"}

    def status():
        return ingest.client.post("/api/v2/write", content=LINE, headers=headers).status_code

    assert status() == 204
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        revoke_api_key(ctx, uow, key.key.id)
    eventually(lambda: status() == 401, timeout_s=5.5, what="the revocation")
    assert ingest.write(LINE).status_code == 204


def test_fault_54_who_fills_the_spool_is_refused_alone_and_told_which_limit(make_ingest):
    world = make_ingest(is_writing=False, max_bytes=200_000, min_free_bytes=0)
    lines = "\n".join(f"cpu,host=h{number} v=1" for number in range(500))
    answer = refused(lambda: world.write(lines))
    assert answer.status_code == 429
    assert answer.json()["code"] == "too many requests"
    assert "spool_share" in answer.json()["message"]
    assert int(answer.headers["retry-after"]) >= 1
    assert world.write(lines, world.globex).status_code == 204
    documents = DOCUMENT * 200
    answer = refused(lambda: world.bulk(documents))
    assert answer.status_code == 429
    assert "spool_share" in answer.json()["error"]["reason"]
    assert world.bulk(documents, world.globex).status_code == 200
    assert world.machine.counted("strata_spool_share_refusals_total") == 2
