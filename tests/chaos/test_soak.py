"""A whole platform under a seeded schedule of harms: at each rest every invariant holds.

`make chaos` runs this for minutes; without it a short form runs. STRATA_TEST_CHAOS_SEED repeats a schedule.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from chaos.checkers import CHECKERS, NOT_YET
from chaos.ledger import Ledger
from chaos.nemesis import Harm, Nemesis, child, embedded_valkey, flush, kill_child, pause
from chaos.soaking import MINUTES, SEED, soak
from chaos.world import World, open_world
from fakes.pager import WebhookReceiver
from scenario.up import Up
from waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(MINUTES * 60 + 600)]


@pytest.fixture
def world(up: Up, ledger: Ledger, pager: WebhookReceiver, tmp_path: Path) -> Iterator[World]:
    with open_world(up.tenant, [up.process], up.environment, ledger, pager, tmp_path) as world:
        yield world


def harms_to(up: Up, data_dir: Path) -> Mapping[str, Harm]:
    valkey = embedded_valkey(data_dir)

    def kill_strata(_: random.Random) -> None:
        up.process.kill()
        up.start()

    def pause_postgres(choice: random.Random) -> None:
        postgres = child(up.process, "postgres")
        pause([postgres, *postgres.children(recursive=True)], choice.uniform(0.5, 4))

    return {
        "strata is killed": kill_strata,
        "strata is paused": lambda choice: pause([psutil.Process(up.process.pid)], choice.uniform(1, 6)),
        "postgres is killed": lambda _: kill_child(up.process, "postgres"),
        "postgres is paused": pause_postgres,
        "valkey is killed": lambda _: kill_child(up.process, "valkey"),
        "valkey is paused": lambda choice: pause([child(up.process, "valkey")], choice.uniform(0.5, 4)),
        "valkey is flushed": lambda choice: flush(valkey, choice.randint(1, 5), 0.2),
    }


def test_the_invariants_hold_under_a_seeded_schedule_of_harms(up, world, data_dir, record_property):
    record_property("seed", SEED)
    eventually(lambda: all(sender.least_acknowledged > 5 for sender in world.senders), 30)
    soak(world, harms_to(up, data_dir), lambda: up.process.wait_until_ready(up.api_port))


def test_every_invariant_has_its_checker_or_says_why_not():
    assert {f"I{number}" for number in range(1, 13)} == CHECKERS.keys() | NOT_YET.keys()
    assert not CHECKERS.keys() & NOT_YET.keys()


def test_an_equal_seed_is_an_equal_schedule(tmp_path):
    def names(seed: int, file: str) -> list[str]:
        with closing(Ledger(tmp_path / file)) as ledger:
            harms = dict.fromkeys("abcdef", lambda _: None)
            done = Nemesis(seed, harms, ledger).rage(20, rest_s=(0, 0))
        with closing(Ledger(tmp_path / file)) as again:  # as it stands on disk
            assert again.count("harm ends") == 20
        return done

    assert names(7, "one") == names(7, "two") != names(8, "three")
