"""The power is cut while requests are taken in. Unlike kill -9, that takes with it what the kernel had yet to write."""

import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from chaos.soaking import MINUTES, SEED
from factories.envelopes import envelope
from fakes.power_cut_disk import PowerCutDisk
from fakes.unsynced_disk import UnsyncedDisk
from strata_stores.clock import SystemClock
from strata_stores.spool.disk import Disk
from strata_stores.spool.file_spool import FileSpool
from waiting import eventually

APPENDERS = 4
CUTS = 40
SPOOLS = 10 if MINUTES else 1


def open_spool(directory: Path, disk: Disk) -> FileSpool:
    return FileSpool(directory, SystemClock(), segment_bytes=20_000, min_free_bytes=0, disk=disk)


def body(number: int) -> bytes:
    return b"%d:" % number + b"v" * (number * 131 % 1_500)


class Clients:
    """Send all the time, and note what they were told is durable: sequence → the number of what was sent."""

    def __init__(self, spool: FileSpool) -> None:
        self._spool = spool
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._told: dict[int, int] = {}

    def told(self) -> dict[int, int]:
        with self._lock:
            return dict(self._told)

    def were_told(self, least: int) -> bool:
        return len(self._told) >= least

    def send(self, first: int) -> None:
        for number in range(first, 1 << 40, APPENDERS):
            if self._over.is_set():
                return
            sequence = self._spool.append(envelope(number % 1_000), body(number)).result(10).sequence
            with self._lock:
                self._told[sequence] = number
            if number % 150 == 0:
                self._spool.acknowledge(sequence - 40)

    @contextmanager
    def sending(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.send, args=(first,)) for first in range(APPENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(10)


def check(directory: Path, told: dict[int, int], in_store: int) -> None:
    """All that clients were told of, and that is not in a store yet, is there as it was sent and once; and no number
    is given to anything else."""
    spool = open_spool(directory, UnsyncedDisk())
    records = spool.read(0, max_records=1 << 20, max_bytes=1 << 30)
    found = {record.position.sequence: record.body for record in records}
    assert len(found) == len(records)
    expected = {sequence: body(number) for sequence, number in told.items() if sequence > in_store}
    assert {sequence: found.get(sequence) for sequence in expected} == expected
    assert all(content == body(int(content.split(b":")[0])) for content in found.values())
    assert len(set(found.values())) == len(found)
    fresh = spool.append(envelope(), b"once there is power").result(10)
    assert fresh.sequence > max((*found, *told))
    spool.close()


@pytest.mark.parametrize("round_", range(SPOOLS))
def test_fault_21_a_power_cut_at_any_instant_loses_nothing_that_was_acknowledged(tmp_path, round_):
    draw, disk = random.Random(SEED + round_), PowerCutDisk()
    spool = open_spool(tmp_path / "spool", disk)
    clients, least = Clients(spool), 0
    with clients.sending():
        for number in range(CUTS):
            least += draw.randrange(1, 30)
            eventually(partial(clients.were_told, least), 30)
            told = clients.told()  # before the cut: what they are told later they are not told in that world
            least = len(told)
            disk.cut(tmp_path / "spool", tmp_path / f"cut-{number}", draw)
            check(tmp_path / f"cut-{number}", told, spool.acknowledged)
            shutil.rmtree(tmp_path / f"cut-{number}")
    spool.close()


def test_a_spool_that_does_not_sync_would_be_found_out(tmp_path):
    """The model bites: with a disk that says it synced and did not, the same check fails."""

    class Lying(PowerCutDisk):
        def sync(self, fd: int) -> None:
            """Nothing, as some disks do."""

    draw, disk = random.Random(SEED), Lying()
    spool = open_spool(tmp_path / "spool", disk)
    told = {spool.append(envelope(), body(number)).result(10).sequence: number for number in range(50)}
    disk.cut(tmp_path / "spool", tmp_path / "cut", draw)
    spool.close()
    again = open_spool(tmp_path / "cut", UnsyncedDisk())
    assert len(again.read(0, max_records=1_000, max_bytes=1 << 30)) < len(told)
    again.close()
