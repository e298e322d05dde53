"""Reads of personal data and queries are logged, with addresses that the database alone does not give away."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from strata_api.read_recorder import ReadRecorder
from strata_core.access_log.commands import Read
from strata_datamodel.errors import StoreUnavailableError, StrataError
from waiting import eventually

QUERY = {"measurement": "m", "field": "f", "aggregate": "avg", "from": "now-1h"}
TIMES = "SELECT times FROM user_access_logs WHERE organization_id = %s"


def logged(api, **params):
    answer = api.client.get(f"{api.acme.path}/access-log", params=params, headers=api.acme.admin)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def flush(api):
    api.app.state.deps.reads.flush()


def test_queries_and_audit_reads_are_logged_and_other_reads_are_not(api):
    headers = api.acme.key_with("metrics:read", "logs:read", "hosts:read", "audit_log:read")
    assert api.client.post(f"{api.acme.path}/metrics/query", json=QUERY, headers=headers).status_code == 200
    assert api.client.post(f"{api.acme.path}/logs/search", json={}, headers=headers).status_code == 200
    assert api.client.get(f"{api.acme.path}/audit-log", headers=headers).status_code == 200
    assert api.client.get(f"{api.acme.path}/hosts", headers=headers).status_code == 200
    flush(api)
    reads = logged(api, since="2020-01-01T00:00:00Z")
    assert [(read["operation"], read["purpose"]) for read in reads] == [
        ("audit_log_list", "audit"),
        ("logs_search", "query"),
        ("metrics_query", "query"),
    ]
    assert {(read["actor_kind"], read["actor_label"], read["address"]) for read in reads} == {
        ("api_key", "made for a test", "127.0.0.1")
    }


def test_reads_are_written_without_anybody_asking(api):
    api.client.get(f"{api.acme.path}/audit-log", headers=api.acme.admin)
    eventually(lambda: api.database.rows("SELECT FROM user_access_logs"), what="the read in its table")


def test_a_refused_read_is_no_read(api):
    assert api.client.get(f"{api.acme.path}/audit-log", headers=api.globex.admin).status_code == 404
    assert api.client.get(f"{api.acme.path}/audit-log", headers=api.acme.key_with("hosts:read")).status_code == 403
    flush(api)
    assert api.database.rows("SELECT FROM user_access_logs") == []


def test_the_table_holds_no_address_and_equal_ones_are_found_by_their_index(api):
    api.client.get(f"{api.acme.path}/audit-log", headers=api.acme.admin)
    api.client.get(f"{api.globex.path}/audit-log", headers=api.globex.admin)
    flush(api)
    rows = api.database.rows("SELECT *, user_access_logs::text AS text FROM user_access_logs")
    assert len(rows) == 2
    assert not any("127.0.0.1" in str(row["text"]) or b"127.0.0.1" in bytes(row["address_sealed"]) for row in rows)
    assert len({bytes(row["address_index"]) for row in rows}) == 2
    assert len(logged(api, address="127.0.0.1")) == 1
    assert logged(api, address="127.0.0.2") == []


def test_an_address_moved_to_another_row_does_not_open_there(api):
    for _ in range(2):
        api.client.get(f"{api.acme.path}/audit-log", headers=api.acme.admin)
    flush(api)
    api.database.run(
        "UPDATE user_access_logs SET address_sealed = (SELECT address_sealed FROM user_access_logs ORDER BY id LIMIT 1)"
    )
    assert [read["address"] for read in logged(api)] == ["unreadable", "127.0.0.1"]


def test_pages_go_through_all_reads_once(api):
    for _ in range(5):
        api.client.get(f"{api.acme.path}/audit-log", headers=api.acme.admin)
    flush(api)
    until = api.clock.now().isoformat()
    seen, cursor = [], None
    while True:
        params = {"limit": 2, "until": until} | ({"cursor": cursor} if cursor else {})
        page = api.client.get(f"{api.acme.path}/access-log", params=params, headers=api.acme.admin).json()
        seen += [read["id"] for read in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(seen) == len(set(seen)) == 5


def read_of(api, number=0):
    ids = (api.acme.organization_id, api.clock.now())
    return Read(*ids, "user", None, "ada@acme.test", f"operation_{number}", "query", "request", "192.0.2.1")


def test_a_clean_stop_writes_what_is_queued(api):
    deps = api.app.state.deps
    recorder = ReadRecorder(deps.units, deps.secret_box, pause_s=3_600)
    for number in range(1_300):
        recorder.note(read_of(api, number))
    recorder.close()
    rows = api.database.rows("SELECT DISTINCT operation FROM user_access_logs")
    assert len(rows) == 1_300


def test_what_cannot_be_logged_is_refused(api):
    deps = api.app.state.deps
    recorder = ReadRecorder(deps.units, deps.secret_box, queued=2, pause_s=3_600)
    recorder.note(read_of(api, 0))
    recorder.note(read_of(api, 1))
    with pytest.raises(StoreUnavailableError):
        recorder.note(read_of(api, 2))
    recorder.flush()
    recorder.note(read_of(api, 2))
    recorder.close()
    assert len(api.database.rows("SELECT FROM user_access_logs")) == 3


def test_a_write_that_fails_loses_nothing(api):
    deps = api.app.state.deps
    recorder = ReadRecorder(deps.units, deps.secret_box, pause_s=3_600)
    recorder.note(read_of(api))
    api.database.run("ALTER TABLE user_access_logs RENAME TO hidden")
    try:
        with pytest.raises(StrataError):
            recorder.flush()
    finally:
        api.database.run("ALTER TABLE hidden RENAME TO user_access_logs")
    recorder.close()
    assert len(api.database.rows("SELECT FROM user_access_logs")) == 1


def test_a_query_asked_again_and_again_is_one_entry_that_says_how_often(api):
    headers = api.acme.key_with("metrics:read", "logs:read")
    for _ in range(3):
        assert api.client.post(f"{api.acme.path}/metrics/query", json=QUERY, headers=headers).status_code == 200
        api.clock.advance(timedelta(seconds=5))
    assert api.client.post(f"{api.acme.path}/logs/search", json={}, headers=headers).status_code == 200
    other = api.acme.key_with("metrics:read")
    assert api.client.post(f"{api.acme.path}/metrics/query", json=QUERY, headers=other).status_code == 200
    theirs = api.globex.key_with("metrics:read")
    assert api.client.post(f"{api.globex.path}/metrics/query", json=QUERY, headers=theirs).status_code == 200
    flush(api)
    reads = logged(api)
    assert sorted((read["operation"], read["times"]) for read in reads) == [
        ("logs_search", 1),
        ("metrics_query", 1),
        ("metrics_query", 3),
    ]
    thrice = next(read for read in reads if read["times"] == 3)
    first, last = (datetime.fromisoformat(thrice[name]) for name in ("at", "last_at"))
    assert timedelta(seconds=10) <= last - first < timedelta(seconds=15)
    assert [read["last_at"] for read in reads if read["times"] == 1] == [None, None]
    assert [row["times"] for row in api.database.rows(TIMES, api.globex.organization_id)] == [1]


def test_reads_of_the_audit_log_each_have_an_entry(api):
    for _ in range(3):
        assert api.client.get(f"{api.acme.path}/audit-log", headers=api.acme.admin).status_code == 200
    flush(api)
    assert [read["times"] for read in logged(api, operation="audit_log_list")] == [1, 1, 1]


def test_a_read_after_its_entry_was_written_or_a_minute_old_has_one_of_its_own(api):
    deps = api.app.state.deps
    recorder = ReadRecorder(deps.units, deps.secret_box, pause_s=3_600)
    recorder.note(read_of(api))
    recorder.flush()
    recorder.note(read_of(api))
    api.clock.advance(timedelta(minutes=1))
    recorder.note(read_of(api))
    recorder.note(read_of(api))
    recorder.close()
    rows = api.database.rows("SELECT times FROM user_access_logs ORDER BY at, id")
    assert [row["times"] for row in rows] == [1, 1, 2]


def test_no_read_is_lost_to_an_entry_that_is_being_written(api):
    deps = api.app.state.deps
    recorder = ReadRecorder(deps.units, deps.secret_box, pause_s=0.001)
    read = read_of(api)

    def ask():
        for _ in range(2_000):
            recorder.note(read)

    with ThreadPoolExecutor(4) as pool:
        for asked in [pool.submit(ask) for _ in range(4)]:
            asked.result()
    recorder.close()
    rows = api.database.rows("SELECT times FROM user_access_logs")
    assert sum(row["times"] for row in rows) == 8_000
    assert len(rows) < 8_000
