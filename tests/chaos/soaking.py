"""Rounds of harm and rest: what a soak is, whatever it is done to."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from chaos.checkers import breaches_of
from chaos.nemesis import Harm, Nemesis
from chaos.world import World, collect_receipts
from waiting import eventually

MINUTES: Final = float(os.environ.get("STRATA_TEST_CHAOS_MINUTES") or 0)
SEED: Final = int(os.environ.get("STRATA_TEST_CHAOS_SEED") or secrets.randbelow(2**31))
HARMS_A_ROUND: Final = 8 if MINUTES else 3
SETTLES_WITHIN_S: Final = 120


def say(text: str) -> None:
    sys.stdout.write(f"chaos: {text}\n")
    sys.stdout.flush()


def soak(world: World, harms: Mapping[str, Harm], await_health: Callable[[], object]) -> None:
    """Round after round until the minutes are over, one at least. Everything has to heal by itself."""
    say(f"seed {SEED}, {MINUTES} minutes, ledger {world.ledger.path}")
    nemesis, ends = Nemesis(SEED, harms, world.ledger), time.monotonic() + MINUTES * 60
    while True:
        before = [sender.least_acknowledged for sender in world.senders]
        say(", ".join(nemesis.rage(HARMS_A_ROUND)))
        with world.at_rest():
            await_health()
            eventually(lambda: _is_unbroken(world), SETTLES_WITHIN_S, what="rest")
        eventually(lambda counts=before: _sends_again(world, counts), 60, what="telemetry after the harm")
        if time.monotonic() > ends:
            break
    told = {kind: world.ledger.count(kind) for kind in ("acknowledged", "receipt", "erasure", "probe", "harm ends")}
    say(str(told))
    assert min(told.values()) > 0, "a schedule in which nothing happened proves nothing"


def _is_unbroken(world: World) -> bool:
    collect_receipts(world.receiver, world.ledger, world.webhook_secret)
    found = breaches_of(world)
    assert found == {}, f"seed {SEED}: {found}"
    return True


def _sends_again(world: World, before: list[int]) -> bool:
    return all(sender.least_acknowledged > count for sender, count in zip(world.senders, before, strict=True))
