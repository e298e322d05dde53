"""The worker as a whole, on a real PostgreSQL and a real Valkey."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import generate_latest

from fakes.memory_data_keys import MemoryDataKeys
from strata_core.access.permissions import PERMISSIONS
from strata_core.audit.commands import record
from strata_core.context import Actor, ActorKind, Context
from strata_core.idempotency.commands import begin, finish
from strata_core.idempotency.rules import KEPT_FOR, StoredReply
from strata_core.mail.links import LinkKey
from strata_core.outbox.commands import append, claim
from strata_core.outbox.commands import finish as finish_event
from strata_core.outbox.events import Event
from strata_stores.archive.object_archive import open_archive
from strata_stores.breaker import Breaker
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.null.cache import NullCache
from strata_stores.null.mailer import MailDirectory
from strata_stores.null.notifier import NullNotifier
from strata_stores.redis.doorbell import RqDoorbell
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring
from strata_stores.secrets.signing import Ed25519AnchorSigner
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_stores.tantivy.search_index import TantivySearchIndex
from strata_workers.service import OUTBOX_KEPT, Worker, WorkerDeps
from waiting import eventually

RING_KEY = b"r" * 32


@pytest.fixture
def worker(tmp_path, system_units, shifted_clock, embedded_valkey) -> Iterator[Worker]:
    bell = RqDoorbell(embedded_valkey.url(), shifted_clock, ring_key=RING_KEY, queue_name=f"q-{uuid4().hex}")
    store = DuckDbMetricStore(tmp_path / "metrics", shifted_clock)
    store.prepare()
    log_store = TantivyLogStore(tmp_path / "logs", shifted_clock)
    log_store.prepare()
    search_index = TantivySearchIndex(tmp_path / "search", shifted_clock)
    search_index.prepare()
    box = AesGcmSecretBox(MemoryDataKeys(), WrappingKeyring([WrappingKey(b"w" * 32)]), shifted_clock)
    (tmp_path / "archive").mkdir()
    deps = WorkerDeps(
        units=system_units,
        metric_store=store,
        metric_tiers=store,
        log_store=log_store,
        search_index=search_index,
        cache=NullCache(),
        doorbell=bell,
        notifier=NullNotifier(),
        secret_box=box,
        archive=open_archive((tmp_path / "archive").as_uri(), breaker=Breaker("archive", shifted_clock)),
        anchor_signer=Ed25519AnchorSigner([b"s" * 32]),
        clock=shifted_clock,
        ring_queue=bell.worker_queue,
        ring_key=RING_KEY,
        mailer=MailDirectory(tmp_path / "mail", "strata@sender.test"),
        link_key=LinkKey(b"l" * 32),
        public_url="http://127.0.0.1:8400",
    )
    worker = Worker(deps)
    yield worker
    worker.stop()
    bell.close()
    store.close()
    log_store.close()
    search_index.close()


@pytest.fixture
def ctx(two_organizations) -> Context:
    return Context(two_organizations.first, Actor(ActorKind.USER, None, "ana@acme.test"), PERMISSIONS, "test")


def test_a_finished_event_is_forgotten_after_its_time(worker, ctx, system_units, shifted_clock, database):
    with system_units.organization(ctx.organization_id) as uow:
        append(uow, Event("host.created", 1, "host", uuid4()))
        append(uow, Event("host.created", 1, "host", uuid4()))
    with system_units.system() as uow:
        (one,) = claim(uow, "test", limit=1)
        assert finish_event(uow, one)
    shifted_clock.advance(OUTBOX_KEPT + timedelta(seconds=1))
    worker.start()
    eventually(lambda: [row["state"] for row in database.rows("SELECT state FROM outbox")] == ["done"])


def test_an_answer_kept_for_repeats_is_forgotten_after_its_time(worker, ctx, system_units, shifted_clock, database):
    with system_units.organization(ctx.organization_id) as uow:
        assert begin(ctx, uow, "hosts_create", "key", b"request") is None
        finish(ctx, uow, "hosts_create", "key", StoredReply(201, b"{}"))
    shifted_clock.advance(KEPT_FOR + timedelta(seconds=1))
    worker.start()
    eventually(lambda: not database.rows("SELECT 1 FROM idempotency"))


def held_leases(database) -> set[str]:
    return {str(row["name"]) for row in database.rows("SELECT name FROM leases WHERE lease_until > now()")}


def test_every_loop_beats_and_none_outlives_a_stop(worker, database):
    worker.start()
    loops = {f"loop {status.name}" for status in worker.statuses()}

    def beating() -> bool:
        health = {check.store: check for check in worker.health()}
        assert health["workers"].detail == "1 alive"
        return all(health[loop].is_ready and health[loop].detail == "beating" for loop in loops)

    eventually(beating)
    assert b"strata_outbox_lag_seconds" in generate_latest(worker.registry)
    assert {"loop.outbox-purge", "loop.audit-sealer"} <= held_leases(database)
    worker.stop()
    assert held_leases(database) == set()
    assert database.rows("SELECT FROM workers") == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("loop-", "delivery"))]


def test_what_is_written_to_the_audit_log_is_sealed_and_anchored_by_a_worker(worker, ctx, system_units, database):
    with system_units.organization(ctx.organization_id) as uow:
        record(ctx, uow, "host.create", "host", "h1")
    worker.start()
    seals = "SELECT FROM audit_heads WHERE anchored_seq = 1"
    eventually(lambda: database.rows(seals), what="the row's seal and its anchor", timeout_s=20)
