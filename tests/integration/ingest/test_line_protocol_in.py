"""Line protocol in on the wire, points in the store."""

import base64
import gzip
import socket
import uuid
import zlib
from urllib.parse import urlsplit

import pytest

from fakes.failing_disk import FailingDisk
from strata_datamodel.limits import INGEST_BODY_BYTES, INGEST_COMPRESSED_BYTES, MIB
from strata_datamodel.spooling import Signal
from waiting import eventually


@pytest.fixture
def name():
    """A measurement of the test's own."""
    return f"m{uuid.uuid4().hex}"


def test_an_acknowledged_line_is_in_the_store_of_its_organization_alone(ingest):
    response = ingest.write("cpu,host=web-1 v=1.5,n=2i\n")
    assert (response.status_code, response.content) == (204, b"")
    assert ingest.points("cpu") == {"web-1": 1.5}
    assert ingest.points("cpu", "n") == {"web-1": 2}
    assert ingest.points("cpu", sender=ingest.globex) == {}
    assert ingest.count_points(ingest.globex) == 0


def test_a_users_tag_called_organization_gives_nobody_elses_points(ingest):
    ingest.write(f"cpu,organization={ingest.globex.organization_id},host=a v=1\n")
    assert ingest.points("cpu") == {"a": 1}
    assert ingest.points("cpu", sender=ingest.globex) == {}


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "identity"])
def test_bodies_come_in_every_coding(shared_ingest, name, coding):
    plain = f"{name},host=a v=7\n".encode() * 3
    body = {"identity": plain, "deflate": zlib.compress(plain)}.get(coding) or gzip.compress(plain)
    assert shared_ingest.write(body, headers={"content-encoding": coding}).status_code == 204
    assert shared_ingest.points(name) == {"a": 7}


def test_a_chunked_body_without_a_length_is_taken(shared_ingest, name):
    assert shared_ingest.write(iter([name.encode(), b",host=a ", b"v=", b"3\n"])).status_code == 204
    assert shared_ingest.points(name) == {"a": 3}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_precision_scales_the_time(shared_ingest, name, version):
    second = shared_ingest.machine.clock.now_ns() // 10**9 - 60
    path = "/write" if version == "v1" else "/api/v2/write"
    for value, precision, sent in ((1, "s", second), (2, "ms", second * 1000 + 1)):
        response = shared_ingest.client.post(
            path,
            params={"precision": precision},
            content=f"{name},host=a v={value} {sent}",
            headers=shared_ingest.acme.token,
        )
        assert response.status_code == 204
    assert shared_ingest.points(name) == {"a": 2}


def test_the_last_write_of_a_point_wins(ingest):
    at = ingest.machine.clock.now_ns()
    for value in (1, 2):
        assert ingest.write(f"m,host=a v={value} {at}").status_code == 204
    assert (ingest.count_points(), ingest.points("m")) == (1, {"a": 2})


def test_a_malformed_line_is_named_and_the_good_ones_are_kept(shared_ingest, name):
    response = shared_ingest.write(f"{name},host=a v=1\nbroken line here\n{name},host=b v=2\n")
    assert response.status_code == 400
    assert response.headers["x-platform-error-code"] == "invalid"
    error = response.json()
    assert error["code"] == "invalid"
    assert "line 2" in error["message"]
    assert "broken line here" in error["message"]
    assert shared_ingest.points(name) == {"a": 1, "b": 2}


def test_version_1_names_a_malformed_line_in_its_own_form(shared_ingest, name):
    body = f"{name},host=a v=1\nbad\n"
    response = shared_ingest.client.post("/write?db=x", content=body, headers=shared_ingest.acme.token)
    assert response.status_code == 400
    assert "partial write: line 2: unable to parse 'bad'" in response.json()["error"]
    assert response.headers["x-influxdb-error"] == response.json()["error"]
    assert shared_ingest.points(name) == {"a": 1}


def test_points_outside_of_what_is_kept_are_refused_and_the_others_kept(shared_ingest, name):
    old = shared_ingest.machine.clock.now_ns() - 8 * 86_400 * 10**9
    response = shared_ingest.write(f"{name},host=a v=1\n{name},host=b v=1 {old}\n")
    assert (response.status_code, response.json()["code"]) == (422, "unprocessable entity")
    assert "line 2" in response.json()["message"]
    assert shared_ingest.points(name) == {"a": 1}


def test_version_1_hears_of_old_points_what_influxdb_says_of_them(shared_ingest, name):
    old = shared_ingest.machine.clock.now_ns() - 8 * 86_400 * 10**9
    body = f"{name},host=a v=1\n{name},host=b v=1 {old}\n"
    response = shared_ingest.client.post("/write?db=x", content=body, headers=shared_ingest.acme.token)
    assert response.status_code == 400
    assert response.json()["error"].startswith("partial write: points beyond retention policy dropped=1")
    assert shared_ingest.points(name) == {"a": 1}


def test_a_request_without_a_good_line_is_not_spooled(make_ingest):
    ingest = make_ingest(is_writing=False)
    assert ingest.write("bad\n").status_code == 400
    assert ingest.write("").status_code == 204
    assert ingest.write("# only a comment\n").status_code == 204
    assert ingest.machine.spools[Signal.METRICS].depth().records == 0
    assert ingest.write("m v=1").status_code == 204
    assert ingest.machine.spools[Signal.METRICS].depth().records == 1


def forms_of(key):
    def basic(text):
        return base64.b64encode(text.encode()).decode()

    return [
        ({"authorization": f"Bearer {key}"}, {}),
        ({"authorization": f"Token {key}"}, {}),
        ({"authorization": f"Token someone:{key}"}, {}),
        ({"authorization": f"Basic {basic('any:' + key)}"}, {}),
        ({"authorization": f"ApiKey {basic('id:' + key)}"}, {}),
        ({}, {"u": "any", "p": key}),
    ]


def test_a_key_is_taken_in_every_form_and_on_every_protocol(shared_ingest):
    for number, (headers, query) in enumerate(forms_of(shared_ingest.acme.key)):
        for path in ("/api/v2/write", "/write"):
            content = f"m,host=h{number} v=1"
            assert shared_ingest.client.post(path, params=query, content=content, headers=headers).status_code == 204
        body = '{"index":{}}\n{"message":"m"}\n'
        assert shared_ingest.client.post("/_bulk", params=query, content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/api/v2/write", "/write", "/_bulk", "/app/_bulk"])
@pytest.mark.parametrize("credential", ["none", "junk", "forged"])
def test_a_missing_or_wrong_key_is_challenged_in_the_protocols_form(shared_ingest, path, credential):
    key = shared_ingest.acme.key
    if credential == "forged":
        key = shared_ingest.globex.key[:25] + shared_ingest.acme.key[25:]
    elif credential == "junk":
        key = "my-super-secret"
    accepted = shared_ingest.machine.counted("strata_ingest_accepted_total")
    headers = {} if credential == "none" else {"authorization": f"Token {key}"}
    response = shared_ingest.client.post(path, content="m v=1", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Basic realm="strata"'
    error = response.json()
    if path == "/api/v2/write":
        assert error["code"] == "unauthorized"
    elif path == "/write":
        assert isinstance(error["error"], str)
    else:
        assert (error["status"], error["error"]["type"]) == (401, "security_exception")
        assert response.headers["x-elastic-product"] == "Elasticsearch"
    assert shared_ingest.machine.counted("strata_ingest_accepted_total") == accepted


def test_a_revoked_key_is_refused_within_seconds(ingest):
    assert ingest.write("m v=1").status_code == 204
    ingest.database.run("UPDATE api_keys SET revoked_at = now()")
    eventually(lambda: ingest.write("m v=1").status_code == 401, 8, what="the revocation")


def test_a_key_without_the_scope_is_denied(ingest):
    ingest.database.run("UPDATE api_keys SET scopes = '{read}'")
    assert ingest.write("m v=1").status_code == 403
    assert ingest.bulk("{}\n").json()["error"]["type"] == "security_exception"


def test_an_organization_other_than_the_keys_is_not_found(shared_ingest):
    for name in ("nope", "globex", str(shared_ingest.globex.organization_id)):
        response = shared_ingest.write("m v=1", params={"org": name, "bucket": "b"})
        assert (response.status_code, response.json()["code"]) == (404, "not found")
    for name in ("acme", "Acme", str(shared_ingest.acme.organization_id), ""):
        assert shared_ingest.write("m v=1", params={"org": name, "bucket": "b"}).status_code == 204


@pytest.mark.parametrize("query", [{"precision": "fortnights"}, {"precision": "h"}])
def test_a_wrong_precision_is_refused(shared_ingest, query):
    assert shared_ingest.write("m v=1", params=query).json()["code"] == "invalid"


def test_a_gzip_bomb_is_refused(shared_ingest):
    bomb = gzip.compress(bytes(200 * MIB))
    response = shared_ingest.write(bomb, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["code"]) == (413, "request too large")


def test_a_body_declared_too_large_is_refused_before_it_is_sent(shared_ingest):
    parts = urlsplit(shared_ingest.url)
    for length, coding in ((INGEST_BODY_BYTES + 1, "identity"), (INGEST_COMPRESSED_BYTES + 1, "gzip")):
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            head = (
                f"POST /api/v2/write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {shared_ingest.acme.key}\r\n"
                f"Content-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n"
            )
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_past_the_limit_is_refused(shared_ingest):
    chunk = bytes(MIB)
    response = shared_ingest.write(
        (chunk for _ in range(INGEST_COMPRESSED_BYTES // MIB + 1)), headers={"content-encoding": "gzip"}
    )
    assert response.status_code == 413


def test_a_cut_body_stores_nothing(make_ingest):
    ingest = make_ingest(is_writing=False)
    parts = urlsplit(ingest.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        head = (
            "POST /api/v2/write HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            f"Authorization: Token {ingest.acme.key}\r\n\r\n"
        )
        connection.sendall(head.encode() + b"m,host=cut v=1\nm,host=cut v=2\n")
    assert ingest.write("m,host=whole v=1").status_code == 204
    assert ingest.machine.spools[Signal.METRICS].depth().records == 1


@pytest.mark.parametrize(
    "damage", [b"not gzip at all", gzip.compress(b"m v=1\n" * 50, mtime=0)[:-9]], ids=["no gzip", "cut gzip"]
)
def test_a_damaged_body_is_a_clients_mistake(shared_ingest, damage):
    assert shared_ingest.write(damage, headers={"content-encoding": "gzip"}).status_code == 400


def test_a_full_spool_asks_to_come_back_and_takes_more_once_drained(make_ingest):
    ingest = make_ingest(is_writing=False, max_bytes=20_000)
    line = "m,host=a v=1\n" * 700
    assert ingest.write(line, ingest.globex).status_code == 204
    for _ in range(2):
        response = ingest.write(line + "m,host=b v=2\n" * 100)
        if response.status_code != 204:
            break
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0
    ingest.machine.start_writers()
    ingest.machine.drain()
    assert ingest.write("m,host=late v=3\n").status_code == 204
    assert ingest.points("m")["late"] == 3


def test_nothing_is_acknowledged_that_is_not_on_disk(make_ingest):
    disk = FailingDisk()
    ingest = make_ingest(is_writing=False, disk=disk)
    disk.fails_sync = True
    for _ in range(2):
        response = ingest.write("m,host=a v=1")
        assert response.status_code == 503
        assert "retry-after" in response.headers
    assert ingest.bulk('{"index":{}}\n{}\n').status_code == 503
    assert all(spool.depth().records == 0 for spool in ingest.machine.spools.values())


def test_probes_answer_as_influxdb_does(shared_ingest):
    ping = shared_ingest.client.get("/ping")
    assert (ping.status_code, ping.headers["x-influxdb-build"]) == (204, "OSS")
    assert shared_ingest.client.head("/ping").status_code == 204
    assert shared_ingest.client.get("/health").json()["status"] == "pass"
    assert shared_ingest.client.get("/ready").json()["status"] == "ready"
    assert shared_ingest.client.get("/ping?verbose=true").json() == {"version": ping.headers["x-influxdb-version"]}


def ask_v1(world, statement, **headers):
    return world.client.post("/query", data={"q": statement}, headers=headers or world.acme.token)


@pytest.mark.parametrize(
    "statement", ['CREATE DATABASE "telegraf"', "create database x;", "CREATE DATABASE a WITH DURATION 7d"]
)
def test_version_1_may_create_any_database(shared_ingest, statement):
    answer = ask_v1(shared_ingest, statement)
    assert (answer.status_code, answer.json()) == (200, {"results": [{"statement_id": 0}]})
    assert ask_v1(shared_ingest, statement, authorization="Token junk").status_code == 401


def test_version_1_is_shown_one_database_with_one_policy(shared_ingest):
    (found,) = ask_v1(shared_ingest, "SHOW DATABASES").json()["results"][0]["series"]
    assert (found["name"], found["values"]) == ("databases", [["acme"]])
    (found,) = ask_v1(shared_ingest, 'SHOW RETENTION POLICIES ON "acme"').json()["results"][0]["series"]
    assert dict(zip(found["columns"], found["values"][0], strict=True))["duration"] == "168h0m0s"


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM m", "DROP DATABASE acme", "", "SHOW DATABASES; DROP DATABASE acme"]
)
def test_version_1_is_told_what_is_not_answered(shared_ingest, statement):
    answer = ask_v1(shared_ingest, statement)
    assert answer.status_code == 400
    assert "is not answered here" in answer.json()["error"]
    assert answer.headers["x-influxdb-error"]


def test_a_wrong_method_is_told_in_the_protocols_form(shared_ingest):
    assert shared_ingest.client.get("/api/v2/write").json()["code"] == "method not allowed"
    assert "error" in shared_ingest.client.get("/write").json()
    assert shared_ingest.client.get("/_bulk").status_code == 405


def test_every_answer_carries_a_request_id(shared_ingest):
    assert shared_ingest.client.get("/ping").headers["x-request-id"]
    sent = shared_ingest.client.get("/ping", headers={"x-request-id": "mine-0001"})
    assert sent.headers["x-request-id"] == "mine-0001"
    forged = shared_ingest.client.get("/ping", headers={"x-request-id": "no spaces; please"})
    assert forged.headers["x-request-id"] != "no spaces; please"


def test_an_organization_that_keeps_raw_points_for_longer_may_send_older_ones(ingest):
    old = ingest.machine.clock.now_ns() - 8 * 86_400 * 10**9
    ingest.database.run(
        "INSERT INTO tier_retentions (organization_id, tier, kept_s) VALUES (%s, 'raw', 864000)",
        ingest.acme.organization_id,
    )
    assert ingest.write(f"m,host=a v=1 {old}").status_code == 204
    assert ingest.write(f"m,host=a v=1 {old}", ingest.globex).status_code == 422
