"""An organization is deleted while it ingests at full rate, from a spool that is five minutes old already."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fixtures.holdings import SIGNER, HoldingsWorld, MakeHoldings
from integration.organizations.ingest_under_load import LINES, Ingest, sending
from scenario.saga_kills import drive_to_end
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.receipts.documents import document_of, is_genuine
from strata_core.receipts.queries import deletion_receipts
from strata_datamodel.ids import OrganizationId
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.elastic.log_store import ElasticLogStore
from strata_stores.influx.metric_store import InfluxMetricStore
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_workers.sweeper import Sweeper
from waiting import eventually


@dataclass
class Witness:
    """A signer that looks for itself what is there when it is asked to sign."""

    held: HoldingsWorld
    organization_id: OrganizationId
    seen: Mapping[str, int] | None = None

    @property
    def public_key(self) -> str:
        return SIGNER.public_key

    def sign(self, content: bytes) -> bytes:
        self.seen = self.held.holdings(self.organization_id)
        return SIGNER.sign(content)

    def is_signed(self, public_key: str, content: bytes, signature: bytes) -> bool:
        return SIGNER.is_signed(public_key, content, signature)


@pytest.fixture(params=["embedded", "influx and elastic"])
def held(request, make_holdings: MakeHoldings, tmp_path: Path, shifted_clock) -> Iterator[HoldingsWorld]:
    if request.param == "embedded":
        metric_store: Any = DuckDbMetricStore(tmp_path / "metrics", clock=shifted_clock)
        log_store: Any = TantivyLogStore(tmp_path / "logs", clock=shifted_clock)
    else:
        metric_store = InfluxMetricStore(
            request.getfixturevalue("influx_url"),
            shifted_clock,
            database=request.getfixturevalue("influx_database"),
            kept_ns=None,
        )
        log_store = ElasticLogStore(
            request.getfixturevalue("elastic_url"), shifted_clock, prefix=request.getfixturevalue("elastic_prefix")
        )
    yield make_holdings(metric_store, log_store)
    metric_store.close()
    log_store.close()


@pytest.fixture
def open_ingest(held: HoldingsWorld) -> Iterator[Callable[[Path], Ingest]]:
    with ExitStack() as stack:

        def make(folder: Path) -> Ingest:
            ingest = Ingest(held, folder, stack)
            ingest.open()
            return ingest

        yield make


def test_fault_29_deleted_under_load_nothing_is_left_and_a_replayed_spool_stays_out(held, open_ingest, tmp_path):
    acme, globex = held.organization("acme"), held.organization("globex")
    theirs = held.holdings(globex)
    ingest = open_ingest(tmp_path / "spool")
    with sending(held, ingest.url) as senders:
        eventually(lambda: min(s.accepted["logs"] for s in senders.values()) >= 4 * LINES, what="a spool that fills")
        held.world.clock.advance(timedelta(minutes=5))
        shutil.copytree(tmp_path / "spool", tmp_path / "old spool")
        ingest.start_writers()
        eventually(lambda: held.tools.metric_store.count_points(acme) > LINES, what="points of acme in their store")
        ctx = held.context("acme")
        with held.app_units.organization(acme) as uow:
            saga_id = request_deletion(ctx, uow, confirm="acme", grace=timedelta(0))
        witness = Witness(held, acme)
        tools = replace(held.tools, signer=witness)
        assert drive_to_end(held.world, DELETION, tools, saga_id) == "done"
        eventually(lambda: senders["acme"].last_status == 401, what="acme's key being refused")
        assert senders["globex"].last_status in {200, 204}
    ingest.drain()
    swept = Sweeper(held.units, held.tools, CollectorRegistry())
    swept.step()
    eventually(lambda: held.holdings(acme) == {}, what="nothing left of acme")

    counts, sent = held.holdings(globex), senders["globex"].accepted
    assert counts["metrics"] - theirs["metrics"] == sent["metrics"]
    assert counts["logs"] - theirs["logs"] == sent["logs"]
    with held.units.system() as uow:
        (kept,) = deletion_receipts(uow, "acme", 10)
    document = document_of(kept.receipt)
    assert is_genuine(kept.receipt, SIGNER)
    assert document["before"]["metrics"] > LINES
    assert document["after"] == {"logs": 0, "metrics": 0, "search": 0, "archive": 0, "cache": 0, "rows": {}}
    assert witness.seen == {}, "the receipt said that nothing was left while something was"

    replaying = open_ingest(tmp_path / "old spool")
    replaying.start_writers()
    replaying.drain()
    assert held.holdings(acme) == {}
    again = held.holdings(globex)
    assert (again["metrics"], again["logs"]) == (counts["metrics"], counts["logs"])
