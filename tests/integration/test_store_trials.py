"""What a store will not let Strata do is found by trying it, and a trial leaves nothing behind."""

import secrets
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
import redis

from factories.log_events import log_batch, log_event
from factories.point_batches import batch_of, point
from fakes.lying_store import lying_store
from fixtures.relational import Database
from strata_datamodel.health import StoreTrial
from strata_datamodel.ids import PROBE, OrganizationId
from strata_stores.archive.object_archive import open_archive
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.elastic.log_store import ElasticLogStore
from strata_stores.influx.metric_store import InfluxMetricStore
from strata_stores.postgres.roles import APP, WORKER
from strata_stores.postgres.trial import relational_trial
from strata_stores.redis.trial import redis_trial
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_stores.trials.attempts import seconds_ahead
from strata_stores.trials.directories import directory_trial
from strata_stores.trials.ports import archive_trial, logs_trial, metrics_trial

CLOCK = SystemClock()
OTHERS = OrganizationId(uuid4())
NOBODY_WRITES_HERE = Path("/proc/self/fdinfo")  # root neither, whom modes do not bind


def refused(trial: StoreTrial) -> set[str]:
    assert not set(trial.granted) & set(trial.refused)
    return set(trial.refused)


def breaker(store: str) -> Breaker:
    return Breaker(store, CLOCK, failures_to_open=1_000)


@pytest.fixture
def redis_user(embedded_valkey) -> Iterator[str]:
    name = f"t{secrets.token_hex(6)}"
    yield name
    with redis.Redis.from_url(embedded_valkey.url()) as client:
        client.acl_deluser(name)


def limited(embedded_valkey, name: str, *rules: str) -> str:
    with redis.Redis.from_url(embedded_valkey.url()) as client:
        client.execute_command("ACL", "SETUSER", name, "on", ">secret", *rules)
    return embedded_valkey.url().replace("unix://", f"unix://{name}:secret@")


def test_redis_with_all_rights_refuses_nothing_and_tells_its_time(embedded_valkey):
    trial = redis_trial(embedded_valkey.url(), CLOCK)
    assert refused(trial) == set()
    assert abs(trial.skew_s) < 2
    with redis.Redis.from_url(embedded_valkey.url()) as client:
        assert client.keys(f"{PROBE}*") == []


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        (("~*", "&*", "+@all", "-set"), {"cache"}),
        (("~*", "&*", "+@all", "-eval", "-evalsha"), {"count"}),
        (("~0000*", "&*", "+@all"), {"queue"}),
        (("~*", "resetchannels", "+@all"), {"publish", "subscribe"}),
        (("~*", "&*", "+@read"), {"cache", "publish", "subscribe", "queue", "count"}),
    ],
)
def test_a_redis_user_without_a_right_is_found_out(embedded_valkey, redis_user, rules, missing):
    trial = redis_trial(limited(embedded_valkey, redis_user, *rules), CLOCK)
    assert refused(trial) == missing
    assert all("NoPermission" in reason for reason in trial.refused.values())


def test_a_migrated_database_refuses_the_application_and_the_workers_nothing(database: Database):
    trial = relational_trial(database.url(APP), database.url(WORKER), CLOCK)
    assert refused(trial) == set()
    assert abs(trial.skew_s) < 2


def test_a_grant_that_was_taken_back_is_named_with_its_table(own_database, database: Database):
    database.run("REVOKE INSERT ON outbox FROM strata_app")
    database.run("REVOKE ALL ON alerts, alert_states FROM strata_worker")
    trial = relational_trial(database.url(APP), database.url(WORKER), CLOCK)
    assert trial.refused["app insert"] == "strata_app may not INSERT outbox"
    assert trial.refused["worker insert"] == "strata_worker may not INSERT alerts, alert_states"
    assert refused(trial) == {"app insert", "worker select", "worker insert", "worker update"}


def test_a_login_that_may_not_act_as_the_application_has_no_right_at_all(database: Database):
    name = f"t{secrets.token_hex(6)}"
    database.run(f"CREATE ROLE {name} LOGIN")
    try:
        trial = relational_trial(database.url(name), database.url(WORKER), CLOCK)
    finally:
        database.run(f"DROP ROLE {name}")
    assert refused(trial) == {"app select", "app insert", "app update", "app delete"}
    assert trial.skew_s is None


def test_a_directory_that_takes_files_is_left_as_it_was(tmp_path):
    (tmp_path / "segment").write_bytes(b"mine")
    assert refused(directory_trial("spool", tmp_path)) == set()
    assert [path.name for path in tmp_path.iterdir()] == ["segment"]


def test_a_directory_nobody_may_write_to_is_found_out():
    trial = directory_trial("spool", NOBODY_WRITES_HERE)
    assert "write" in refused(trial)
    assert str(NOBODY_WRITES_HERE) in trial.refused["write"]


def test_a_directory_that_is_not_made_yet_is_tried_where_it_will_be(tmp_path):
    assert refused(directory_trial("spool", tmp_path / "data" / "spool")) == set()
    assert list(tmp_path.iterdir()) == []
    assert "write" in refused(directory_trial("spool", NOBODY_WRITES_HERE / "spool"))


def test_an_archive_is_written_read_listed_and_left_empty(tmp_path, s3_server, s3_bucket):
    for url in (tmp_path.as_uri(), f"s3://test:secret@{s3_bucket}/deep?region=us-east-1&endpoint={s3_server}"):
        archive = open_archive(url, breaker=breaker("archive"))
        archive.put(OTHERS, "kept", b"1")
        assert refused(archive_trial(archive)) == set()
        assert [item.key for item in archive.listing(OTHERS)] == ["kept"]
        assert archive.listing(PROBE) == []


def test_a_bucket_that_is_not_ours_is_found_out(s3_server):
    url = f"s3://test:secret@nobody-{uuid4()}?region=us-east-1&endpoint={s3_server}"
    assert "write" in refused(archive_trial(open_archive(url, breaker=breaker("archive"))))


def test_embedded_stores_pass_the_same_trials(tmp_path):
    metrics, logs = DuckDbMetricStore(tmp_path / "metrics", CLOCK), TantivyLogStore(tmp_path / "logs", CLOCK)
    try:
        assert refused(metrics_trial(metrics, CLOCK)) == set()
        assert refused(logs_trial(logs, CLOCK)) == set()
        assert (metrics.count_points(PROBE), logs.count(PROBE)) == (0, 0)
    finally:
        metrics.close()
        logs.close()


@pytest.fixture
def influx(influx_url, influx_database) -> Iterator[InfluxMetricStore]:
    store = InfluxMetricStore(influx_url, CLOCK, database=influx_database, breaker=breaker("metrics"))
    yield store
    store.close()


def test_influxdb_is_tried_and_the_points_of_others_stay(influx):
    influx.prepare()
    influx.write(batch_of(OTHERS, point(CLOCK.now_ns(), 1.0)))
    assert refused(metrics_trial(influx, CLOCK)) == set()
    assert (influx.count_points(PROBE), influx.count_points(OTHERS)) == (0, 1)
    assert -2 < seconds_ahead(CLOCK, influx.server_time) < 2


def test_a_user_of_influxdb_who_may_only_read_is_found_out():
    denied = (403, orjson.dumps({"error": "not authorized to write"}))
    nothing = (200, b'{"results":[{"statement_id":0}]}\n')
    with lying_store() as script:
        script.headers["X-Influxdb-Version"] = "1.8.10"
        script.answers.update({"/write": denied, "/query": nothing})
        store = InfluxMetricStore(script.url, CLOCK, breaker=breaker("metrics"))
        try:
            trial = metrics_trial(store, CLOCK)
        finally:
            store.close()
    assert refused(trial) == {"write"}
    assert "not authorized to write" in trial.refused["write"]


@pytest.fixture
def elastic(elastic_url, elastic_prefix) -> Iterator[ElasticLogStore]:
    store = ElasticLogStore(elastic_url, CLOCK, prefix=elastic_prefix, breaker=breaker("logs"))
    yield store
    store.close()


def test_elasticsearch_is_tried_and_the_events_of_others_stay(elastic):
    elastic.prepare()
    elastic.write(log_batch(OTHERS, log_event()))
    assert refused(logs_trial(elastic, CLOCK)) == set()
    elastic.refresh()
    assert (elastic.count(PROBE), elastic.count(OTHERS)) == (0, 1)
    nodes = elastic.node_states()
    assert all(abs((node.time - datetime.now(UTC)).total_seconds()) < 5 for node in nodes)
    assert all(node.free_bytes > 0 for node in nodes)


def test_indices_that_take_no_writes_are_found_out(elastic, elastic_url, elastic_prefix):
    elastic.prepare()
    index = f"{elastic_prefix}-r30-{datetime.now(UTC):%Y.%m.%d}"
    body = orjson.dumps({"settings": {"index.blocks.write": True}})
    request = urllib.request.Request(f"{elastic_url}/{index}", body, {"Content-Type": "application/json"}, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()
    trial = logs_trial(elastic, CLOCK)
    assert refused(trial) == {"write"}
    assert "block" in trial.refused["write"]
