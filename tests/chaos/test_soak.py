"""A whole platform under a seeded schedule of harms: at each rest every invariant holds.

`make chaos` runs this for minutes; without it a short form runs. STRATA_TEST_CHAOS_SEED repeats a schedule.
"""

import os
import random
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from chaos.checkers import CHECKERS, NOT_YET, breaches_of, logs_of
from chaos.ledger import Ledger
from chaos.nemesis import Harm, Nemesis, child, embedded_valkey, flush, kill_child, pause
from chaos.sending import Sender
from chaos.world import Heater, Prober, World, collect_receipts
from fakes.pager import WebhookReceiver, webhook_receiver
from scenario.processes import PASSWORD
from scenario.up import Up
from waiting import eventually

MINUTES = float(os.environ.get("STRATA_TEST_CHAOS_MINUTES") or 0)
SEED = int(os.environ.get("STRATA_TEST_CHAOS_SEED") or secrets.randbelow(2**31))
HARMS_A_ROUND = 8 if MINUTES else 4
SETTLES_WITHIN_S = 120
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.timeout(MINUTES * 60 + 600),
]


def say(text: str) -> None:
    sys.stdout.write(f"chaos: {text}\n")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    yield ledger
    ledger.close()


@pytest.fixture
def pager() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def world(up: Up, ledger: Ledger, pager: WebhookReceiver, tmp_path: Path) -> Iterator[World]:
    acme, globex = up.tenant("acme"), up.tenant("globex")
    with ExitStack() as stack:
        stack.callback(acme.close)
        stack.callback(globex.close)
        heater, prober = Heater(acme, ledger), Prober(acme, ledger)
        secret = heater.start(pager.url)
        stack.callback(heater.stop)
        prober.start()
        stack.callback(prober.stop)
        senders = [Sender(tenant, ledger, pause_s=0.05).start() for tenant in (acme, globex)]
        for sender in senders:
            stack.callback(sender.stop)
        known = {"password": PASSWORD, "secret of the webhook": secret, "key for ingest": acme.ingest_key}
        yield World(
            processes=[up.process],
            environment=up.environment,
            acme=acme,
            globex=globex,
            ledger=ledger,
            receiver=pager,
            senders=senders,
            heater=heater,
            secrets=known,
            logs=logs_of(tmp_path),
            webhook_secret=secret,
        )


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


def settled(up: Up, world: World) -> None:
    """Everything heals by itself, and then nothing is wrong: told with the seed if it is."""
    up.process.wait_until_ready(up.api_port)

    def at_rest() -> bool:
        collect_receipts(world.receiver, world.ledger, world.webhook_secret)
        found = breaches_of(world)
        assert found == {}, f"seed {SEED}: {found}"
        return True

    eventually(at_rest, SETTLES_WITHIN_S, what="rest")


def test_the_invariants_hold_under_a_seeded_schedule_of_harms(up, world, data_dir, record_property):
    record_property("seed", SEED)
    say(f"seed {SEED}, {MINUTES} minutes, ledger {world.ledger.path}")
    eventually(lambda: all(sender.least_acknowledged > 5 for sender in world.senders), 30)
    nemesis = Nemesis(SEED, harms_to(up, data_dir), world.ledger)
    ends = time.monotonic() + MINUTES * 60
    while True:
        before = [sender.least_acknowledged for sender in world.senders]
        done = nemesis.rage(HARMS_A_ROUND)
        say(f"{', '.join(done)}")
        with world.at_rest():
            settled(up, world)
        eventually(
            lambda seen=before: all(
                sender.least_acknowledged > count for sender, count in zip(world.senders, seen, strict=True)
            ),
            30,
        )
        if time.monotonic() > ends:
            break
    told = {kind: world.ledger.count(kind) for kind in ("acknowledged", "receipt", "probe", "harm ends")}
    say(f"{told}")
    assert min(told.values()) > 0, "a schedule in which nothing happened proves nothing"


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
