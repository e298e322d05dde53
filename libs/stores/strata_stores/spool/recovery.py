"""Opening a spool directory after whatever happened to it."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from strata_stores.spool.disk import Disk
from strata_stores.spool.framing import HEADER_BYTES
from strata_stores.spool.segment import Scan, Segment, scan_segment, segment_path, segment_paths


@dataclass(frozen=True, slots=True)
class Recovered:
    """`segments` is never empty; the last one takes the appends."""

    segments: list[Segment]
    next_sequence: int
    acknowledged: int
    damaged: int


def recover(directory: Path, marker: bytes, acknowledged: int, disk: Disk) -> Recovered:
    paths = _without_acknowledged(segment_paths(directory), acknowledged)
    if not paths:
        path = segment_path(directory, acknowledged + 1)
        return Recovered([Segment(path, disk.create(path), acknowledged + 1)], acknowledged + 1, acknowledged, 0)
    with _closing_on_error() as scans:
        for path in paths:
            scans.append(scan_segment(path, marker, verify_payloads=path is paths[-1]))
        last = scans[-1]
        _make_durable(last.segment, disk)
    segments = [scan.segment for scan in scans]
    # The cursor may have forgotten its newest moves, but only acknowledged segments are ever deleted.
    known = max(acknowledged, segments[0].first_sequence - 1)
    return Recovered(segments, _next_sequence(last, known), known, _damaged(scans))


def _without_acknowledged(paths: list[Path], acknowledged: int) -> list[Path]:
    """Deletes what an earlier owner had no time to delete. The last one stays: it carries the sequence on."""
    for path, following in itertools.pairwise(paths):
        if int(following.name.split(".")[0]) - 1 > acknowledged:
            return paths[paths.index(path) :]
        path.unlink()
    return paths[-1:]


def _make_durable(segment: Segment, disk: Disk) -> None:
    """Whole records that a killed owner had written but not fsynced may be read from now on, so they must stay."""
    if os.fstat(segment.fd).st_size > segment.end:
        disk.truncate(segment.fd, segment.end)
    else:
        disk.sync(segment.fd)


def _next_sequence(last: Scan, acknowledged: int) -> int:
    """A sequence once used in a store's ledger of positions must not come back for another record, or that one would be
    taken for written. Behind a damaged end nobody knows how many there were, only how many there can have been."""
    return max(acknowledged, last.last_sequence) + 1 + -(-last.unexplained_bytes // HEADER_BYTES)


def _damaged(scans: list[Scan]) -> int:
    """The end of the last segment is a torn write as far as anybody can tell; the end of any other is damage."""
    count = sum(scan.damaged for scan in scans)
    for scan, following in itertools.pairwise(scans):
        if scan.unexplained_bytes:
            count += max(1, following.segment.first_sequence - scan.last_sequence - 1)
    return count


@contextlib.contextmanager
def _closing_on_error() -> Iterator[list[Scan]]:
    scans: list[Scan] = []
    try:
        yield scans
    except BaseException:
        for scan in scans:
            os.close(scan.segment.fd)
        raise
