"""An Elasticsearch of its own that is truly killed, in the moment between what it stored and its answer."""

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from chaos.test_stores_that_turn_away import EVENTS, SEED, bulk_of, drained, writing_to
from fakes.moody_elastic import Mood, moody_elastic
from native_stores.cache import ensure_installed
from native_stores.catalogue import version_of
from native_stores.children import kill_group
from native_stores.elastic import ELASTIC
from native_stores.kind import Launch
from native_stores.running import start
from strata_datamodel.logs import LogSearch, MatchAll, SortOrder
from strata_stores.clock import SystemClock
from strata_stores.elastic.log_store import ElasticLogStore

__all__ = ["writing_to"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(900)]


@dataclass
class OwnElastic:
    work: Path
    launch: Launch | None = None

    def start(self) -> str:
        version = version_of(ELASTIC)
        self.launch, url = start(ELASTIC, version, ensure_installed(ELASTIC, version), self.work)
        return url

    def kill(self) -> None:
        assert self.launch is not None
        os.killpg(self.launch.process.pid, signal.SIGKILL)
        kill_group(self.launch.process)


@pytest.fixture
def elastic() -> Iterator[OwnElastic]:
    folder = Path(tempfile.mkdtemp(prefix="strata-"))
    folder.chmod(0o755)
    work = folder / "work"
    work.mkdir()
    server = OwnElastic(work)
    yield server
    if server.launch is not None:
        kill_group(server.launch.process)
    shutil.rmtree(folder, ignore_errors=True)


def messages_at(url, prefix, organization_id):
    store = ElasticLogStore(url, SystemClock(), prefix=prefix)
    try:
        store.refresh()
        asked = LogSearch(organization_id, MatchAll(), 0, (1 << 63) - 1, limit=1_000, order=SortOrder.ASC)
        return Counter(event.message for event in store.search(asked).items)
    finally:
        store.close()


def test_fault_14_killed_between_its_bulk_and_the_answer_it_has_each_event_once_across_days_and_indices(
    elastic, writing_to
):
    """Twice: with events on both sides of midnight, and a day later, when what arrives goes into another index."""
    ages = [timedelta(hours=36 * number / EVENTS) for number in range(EVENTS)]
    expected = Counter()
    with moody_elastic(elastic.start(), Mood(SEED, at_death=elastic.kill)) as mood:
        ingest = writing_to(mood.url, "killed")
        for day in range(2):
            messages = [f"day {day}, event {number}" for number in range(EVENTS)]
            timeless = [f"day {day}, timeless {number}" for number in range(20)]
            mood.dies_after = 1
            lines = "".join(f'{{"index":{{}}}}\n{{"message":"{message}"}}\n' for message in timeless)
            assert ingest.bulk(lines).json()["errors"] is False
            assert ingest.bulk(bulk_of(ingest, messages, ages)).json()["errors"] is False
            expected.update(messages + timeless)
            if day == 0:
                ingest.machine.start_writers()
            assert elastic.launch is not None
            elastic.launch.process.wait(60)
            ingest.machine.clock.advance(timedelta(days=1))
            mood.upstream = elastic.start()
            drained(ingest)
            assert mood.given["died"] == day + 1
        assert messages_at(mood.upstream, "killed", ingest.acme.organization_id) == expected
        assert messages_at(mood.upstream, "killed", ingest.globex.organization_id) == Counter()
    assert ingest.database.rows("SELECT FROM dead_letters") == []
