"""One file of the spool and the index of its records."""

import mmap
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strata_stores.spool.framing import HEADER_BYTES, Header, decode_header, payload_crc
from strata_stores.spool.shares import Owner, owner_of

_SUFFIX: Final = ".segment"


@dataclass(slots=True)
class Segment:
    """`first_sequence` is in the file's name: no record here has a lower one. Only durable records are in the index."""

    path: Path
    fd: int
    first_sequence: int
    end: int = 0
    sequences: "array[int]" = field(default_factory=lambda: array("Q"))
    starts: "array[int]" = field(default_factory=lambda: array("Q"))
    sizes: "array[int]" = field(default_factory=lambda: array("Q"))
    arrivals_ns: "array[int]" = field(default_factory=lambda: array("q"))
    owners: list[Owner] = field(default_factory=list)

    def add(self, header: Header, start: int, owner: Owner) -> None:
        self.sequences.append(header.sequence)
        self.starts.append(start)
        self.sizes.append(header.record_bytes)
        self.arrivals_ns.append(header.received_at_ns)
        self.owners.append(owner)
        self.end = start + header.record_bytes

    def drop(self, index: int) -> None:
        for column in (self.sequences, self.starts, self.sizes, self.arrivals_ns):
            column.pop(index)
        self.owners.pop(index)

    def shares(self, after: int, through: int) -> list[tuple[Owner, int]]:
        """Owner and size of each record with a sequence > after and <= through."""
        chosen = slice(self.index_after(after), self.index_after(through))
        return list(zip(self.owners[chosen], self.sizes[chosen], strict=True))

    def index_after(self, sequence: int) -> int:
        return bisect_right(self.sequences, sequence)


@dataclass(frozen=True, slots=True)
class Scan:
    """What opening found in a file. `unexplained_bytes` lie behind the last record: a torn write, or damage."""

    segment: Segment
    damaged: int
    last_sequence: int
    unexplained_bytes: int


def segment_path(directory: Path, first_sequence: int) -> Path:
    return directory / f"{first_sequence:020d}{_SUFFIX}"


def segment_paths(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{'[0-9]' * 20}{_SUFFIX}"))


def scan_segment(path: Path, marker: bytes, *, verify_payloads: bool) -> Scan:
    """Hops from header to header; behind a damaged header it goes on at the next marker. Payloads are verified only
    where the end of a crashed write may be: elsewhere reading finds their damage, and opening stays quick."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _scan(Segment(path, fd, int(path.name.removesuffix(_SUFFIX))), marker, verify_payloads=verify_payloads)
    except BaseException:
        os.close(fd)
        raise


def _scan(segment: Segment, marker: bytes, *, verify_payloads: bool) -> Scan:
    previous = segment.first_sequence - 1
    damaged = position = behind = 0
    is_lost = False
    with _content(segment.fd) as content:
        size = len(content)
        while position < size:
            header = decode_header(marker, content[position : position + HEADER_BYTES])
            if header is None or header.sequence <= previous or position + header.record_bytes > size:
                is_lost = True
                position = content.find(marker, position + 1)
                if position < 0:
                    break
                continue
            if is_lost:
                damaged += max(1, header.sequence - previous - 1)
                is_lost = False
            if not verify_payloads or _is_whole(content, position, header):
                start = position + HEADER_BYTES
                segment.add(header, position, owner_of(content[start : start + header.envelope_bytes]))
            else:
                damaged += 1
            previous = header.sequence
            position += header.record_bytes
            behind = position
    return Scan(segment, damaged, previous, size - behind)


def _is_whole(content: "mmap.mmap | bytes", position: int, header: Header) -> bool:
    start = position + HEADER_BYTES
    middle = start + header.envelope_bytes
    return header.payload_crc == payload_crc(content[start:middle], content[middle : middle + header.body_bytes])


@contextmanager
def _content(fd: int) -> "Iterator[mmap.mmap | bytes]":
    if os.fstat(fd).st_size == 0:  # an empty file cannot be mapped
        yield b""
        return
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as content:
        yield content
