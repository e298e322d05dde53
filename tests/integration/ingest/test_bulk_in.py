"""Bulk bodies in on the wire, events in the log store."""

import gzip
import json
from datetime import timedelta

import pytest

from strata_datamodel.logs import LogLevel
from strata_datamodel.spooling import Signal


def lines(*documents, action="index", **meta):
    return "".join(f"{json.dumps({action: meta})}\n{json.dumps(document)}\n" for document in documents)


def test_an_acknowledged_document_is_in_the_store_of_its_organization_alone(ingest):
    at = ingest.machine.clock.now() - timedelta(minutes=1)
    document = {
        "@timestamp": at.isoformat(),
        "message": "payment failed",
        "log.level": "error",
        "host": {"name": "web-1"},
        "service": "checkout",
        "tags": ["urgent"],
        "order": 17,
    }
    reply = ingest.bulk(lines(document, _index="shop")).json()
    assert reply["errors"] is False
    assert reply["items"][0]["index"]["status"] == 201
    (event,) = ingest.events()
    assert event.event_id == reply["items"][0]["index"]["_id"]
    assert (event.message, event.level, event.stream) == ("payment failed", LogLevel.ERROR, "shop")
    assert (event.host_id, event.service_id) == ("web-1", "checkout")
    assert (dict(event.tags), dict(event.metadata)) == ({"urgent": "true"}, {"order": 17})
    assert event.timestamp_ns // 1_000 == int(at.timestamp() * 1_000_000)
    assert ingest.events(ingest.globex) == []


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/json; charset=utf-8"])
def test_both_methods_and_all_media_types_are_taken(shared_ingest, method, media_type):
    headers = {**shared_ingest.acme.token, "content-type": media_type}
    response = shared_ingest.client.request(method, "/app/_bulk", content=lines({"message": "m"}), headers=headers)
    assert response.status_code == 200
    assert response.headers["x-elastic-product"] == "Elasticsearch"
    assert response.json()["items"][0]["index"]["_index"] == "app"


def test_the_versioned_media_type_is_echoed(shared_ingest):
    versioned = "application/vnd.elasticsearch+x-ndjson; compatible-with=9"
    response = shared_ingest.bulk(lines({"message": "m"}), headers={"content-type": versioned})
    assert response.headers["content-type"] == "application/vnd.elasticsearch+json;compatible-with=9"


def test_a_bad_document_is_refused_alone(ingest):
    body = lines({"message": "a"}) + '{"create":{}}\n{broken\n' + lines({"message": "b"}, action="create")
    body += '{"delete":{"_id":"1"}}\n'
    reply = ingest.bulk(body).json()
    assert reply["errors"] is True
    assert [next(iter(item.values()))["status"] for item in reply["items"]] == [201, 400, 201, 400]
    assert reply["items"][1]["create"]["error"]["type"] == "document_parsing_exception"
    assert {event.message for event in ingest.events()} == {"a", "b"}


def test_filter_path_keeps_what_shippers_ask_for(shared_ingest):
    asked = {"filter_path": "errors,items.*.error,items.*.status"}
    reply = shared_ingest.bulk(lines({"message": "m"}), params=asked).json()
    assert reply == {"errors": False, "items": [{"index": {"status": 201}}]}


def test_a_line_that_is_no_action_refuses_the_request_in_elasticsearchs_form(make_ingest):
    ingest = make_ingest(is_writing=False)
    response = ingest.bulk(lines({"message": "a"}) + "nonsense\n")
    assert response.status_code == 400
    error = response.json()
    assert error["status"] == 400
    assert error["error"]["type"] == "illegal_argument_exception"
    assert "line [3]" in error["error"]["root_cause"][0]["reason"]
    assert ingest.machine.spools[Signal.LOGS].depth().records == 0


def test_a_gzip_body_is_stored_as_it_was_sent_and_read_back(ingest):
    body = lines(*({"message": f"line {number}"} for number in range(50))).encode()
    assert ingest.bulk(gzip.compress(body), headers={"content-encoding": "gzip"}).json()["errors"] is False
    assert [event.message for event in ingest.events()] == [f"line {number}" for number in range(50)]


def test_a_clients_retry_of_a_named_document_is_one_event(ingest):
    body = lines({"message": "once"}, _index="i", _id="mine")
    first, second = (ingest.bulk(body).json()["items"][0]["index"]["_id"] for _ in range(2))
    assert first == second
    assert [event.message for event in ingest.events()] == ["once"]


def test_equal_lines_of_one_moment_stay_two(ingest):
    document = {"@timestamp": ingest.machine.clock.now().isoformat(), "message": "twice"}
    ingest.bulk(lines(document, document))
    assert len(ingest.events()) == 2


def test_a_bulk_bomb_is_refused(shared_ingest):
    response = shared_ingest.bulk(gzip.compress(b" " * (100 << 20)), headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["status"]) == (413, 413)


def test_probes_of_shippers_are_answered(shared_ingest):
    client, token = shared_ingest.client, shared_ingest.acme.token
    root = client.get("/", headers=token).json()
    assert root["version"]["number"].startswith("8.")
    assert root["version"]["build_flavor"] == "default"
    assert root["tagline"] == "You Know, for Search"
    assert client.head("/", headers=token).status_code == 200
    assert client.get("/_license?human=false", headers=token).json()["license"]["status"] == "active"
    assert client.get("/_xpack", headers=token).json()["license"]["type"] == "basic"
    assert client.get("/_cluster/health").json()["status"] == "green"
    assert " green " in client.get("/_cat/health").text
    for path in ("/_index_template/x", "/_template/x", "/_ilm/policy/x", "/_ingest/pipeline/x"):
        assert client.head(path, headers=token).status_code == 404
        assert client.put(path, headers=token, content="{}").json() == {"acknowledged": True}
        assert client.put(path, content="{}").status_code == 401
    assert client.get("/").status_code == 401


def test_an_unknown_path_is_not_found_in_elasticsearchs_form(shared_ingest):
    response = shared_ingest.client.get("/nothing/here")
    assert (response.status_code, response.json()["status"]) == (404, 404)
