"""What a browser sends along by itself changes nothing for other sites: origin, fetch metadata and method, on every
operation; and a revoked key is refused on both ports of a running product."""

import itertools
import json
from urllib.parse import urlsplit

import httpx
import pytest

import openapi
from factories.real_requests import named
from waiting import eventually

DOCUMENT = json.loads(openapi.document())
UNSAFE = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if method not in {"get", "head"} and operation["security"]
]
EVIL = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.test"},
    {"origin": "null"},
)
SITES = (None, "same-origin", "none", "same-site", "cross-site")
REFERERS = (None, "ours", "https://evil.test/page")


def ids(cases):
    return [operation["operationId"] for _, _, operation in cases]


def filled(path: str) -> str:
    while "{" in path:
        before, _, rest = path.partition("{")
        parameter, _, after = rest.partition("}")
        path = before + ("acme" if parameter == "org" else "00000000-0000-7000-8000-000000000000") + after
    return path


@pytest.fixture(scope="module")
def owner(shared_api):
    with shared_api.as_member(shared_api.acme, "owner") as visitor:
        yield visitor


@pytest.mark.parametrize("case", UNSAFE, ids=ids(UNSAFE))
def test_no_operation_is_done_for_another_sites_page(owner, case):
    path, method, _ = case
    for headers in EVIL:
        answer = owner.request(method, filled(path), headers={**headers, "if-match": "*"}, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request"), f"{headers}: {answer.text}"


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("origin", [None, "ours", "https://evil.test", "null"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_origin_and_fetch_metadata_decide_and_the_referer_does_not(shared_api, owner, method, origin, site):
    for referer in REFERERS:
        headers = {"sec-fetch-site": site, "origin": origin, "referer": referer}
        sent = {key: shared_api.url if text == "ours" else text for key, text in headers.items() if text is not None}
        body = {"json": {"name": named()}} if method == "POST" else {}
        answer = owner.request(method, "/api/v1/orgs/acme/hosts", headers=sent, **body)
        ours = site in {"same-origin", "none"} or origin == "ours" or (site is None and origin is None)
        assert answer.is_success == (method == "GET" or ours), answer.text
        # A key is presented on purpose, by nobody's browser.
        body = {"json": {"name": named()}} if method == "POST" else {}
        by_key = shared_api.client.request(
            method, "/api/v1/orgs/acme/hosts", headers={**sent, **shared_api.acme.admin}, **body
        )
        assert by_key.is_success


ALL = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]


@pytest.mark.parametrize("case", ALL, ids=ids(ALL))
def test_every_operation_answers_with_the_headers_that_bind_browsers(shared_api, case):
    path, method, _ = case
    for headers in ({}, shared_api.acme.admin):
        answer = shared_api.client.request(method, filled(path), headers=headers)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_every_pair_of_planted_and_own_session_ends_with_a_new_one(shared_api):
    seen = set()
    for planted, again in itertools.product((None, "a" * 43), (False, True)):
        with shared_api.visitor() as visitor:
            if planted is not None:
                visitor.cookies.set("strata_session", planted, domain=urlsplit(shared_api.url).hostname or "")
            login = {"email": shared_api.globex.owner_email, "password": "correct horse battery"}
            for _ in range(2 if again else 1):
                set_cookie = visitor.post("/api/v1/auth/login", json=login).headers["set-cookie"]
                token = set_cookie.split("strata_session=")[1].split(";")[0]
                assert token not in seen | {planted}
                seen.add(token)
    if_planted = shared_api.client.get("/api/v1/me", headers={"cookie": f"strata_session={'a' * 43}"})
    assert if_planted.status_code == 401


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("scenario-embedded")
def test_a_revoked_key_is_refused_within_five_seconds_on_both_ports_of_a_running_product(up):
    acme = up.tenant("acme")
    path = f"/api/v1/orgs/{acme.slug}/api-keys"
    made = acme.admin.post(path, json={"name": "leaked", "scopes": ["read", "ingest"]}).json()
    headers = {"authorization": f"Bearer {made['token']}"}
    api, ingest = (f"http://127.0.0.1:{port}" for port in (up.api_port, up.ingest_port))
    with httpx.Client(headers=headers, trust_env=False, timeout=10) as leaked:

        def statuses() -> tuple[int, int]:
            read = leaked.get(f"{api}/api/v1/orgs/{acme.slug}/hosts")
            return read.status_code, leaked.post(f"{ingest}/api/v2/write", content="m value=1").status_code

        assert statuses() == (200, 204)
        assert acme.admin.delete(f"{path}/{made['id']}").status_code == 204
        eventually(lambda: statuses() == (401, 401), 5, what="the revocation on both ports")
    assert acme.ingest.post("/api/v2/write", content="m value=1").status_code == 204
    acme.close()
