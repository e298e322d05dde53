"""The segments of a spool as one log: one writer, one reader, and what lies between them."""

import contextlib
import errno
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from strata_datamodel.errors import StoreUnavailableError
from strata_stores.spool.cursor import Cursor
from strata_stores.spool.disk import Disk
from strata_stores.spool.framing import Header, encode_header
from strata_stores.spool.recovery import Recovered
from strata_stores.spool.segment import Segment, segment_path
from strata_stores.spool.shares import Shares


@dataclass(frozen=True, slots=True)
class Frame:
    """A record that has no sequence yet: it gets one when it is written."""

    owner: UUID
    received_at_ns: int
    payload_crc: int
    envelope: bytes
    body: bytes

    def header(self, sequence: int) -> Header:
        return Header(sequence, self.received_at_ns, len(self.envelope), len(self.body), self.payload_crc)


@dataclass(frozen=True, slots=True)
class Slot:
    segment: Segment
    sequence: int
    start: int
    size: int


class SegmentLog:
    """`changed` guards the index and is notified when it grows. Writing happens outside of it, in one thread only."""

    def __init__(
        self,
        directory: Path,
        marker: bytes,
        recovered: Recovered,
        cursor: Cursor,
        disk: Disk,
        shares: Shares,
        *,
        segment_bytes: int,
    ) -> None:
        self.changed = threading.Condition()
        self._directory = directory
        self._marker = marker
        self._segments = recovered.segments
        self._next_sequence = recovered.next_sequence
        self._cursor = cursor
        self._disk = disk
        self._shares = shares
        self._segment_bytes = segment_bytes
        self._must_truncate = False
        self._must_rotate = False
        self._writing = threading.Lock()
        self.acknowledged = recovered.acknowledged
        self.damaged = recovered.damaged
        self.records = sum(len(segment.sequences) for segment in self._segments)
        self.size_bytes = sum(sum(segment.sizes) for segment in self._segments)
        for segment in self._segments:
            shares.restore(zip(segment.owners, segment.sizes, strict=True))
        self._release(recovered.segments, 0, self.acknowledged)

    def write(self, frames: Sequence[Frame]) -> tuple[list[int], OSError | None]:
        """The sequences of the frames that are durable now, which are the first ones, and what stopped the others:
        of those no trace is left that a reader or a later opening could find."""
        done: list[int] = []
        try:
            while len(done) < len(frames):
                with self._writing:
                    done += self._write_run(frames[len(done) :])
        except OSError as error:
            with self._writing, contextlib.suppress(OSError):  # the next write tries again before anything else
                self._undo()
            return done, error
        return done, None

    def _write_run(self, frames: Sequence[Frame]) -> list[int]:
        """As many frames as go into the present segment, at least one."""
        self._undo()
        segment = self._segment_for(frames[0])
        offset = segment.end
        first = self._next_sequence
        headers: list[Header] = []
        buffers: list[bytes] = []
        for sequence, frame in enumerate(frames, start=first):
            header = frame.header(sequence)
            if headers and offset + header.record_bytes > self._segment_bytes:
                break
            headers.append(header)
            buffers += (encode_header(self._marker, header), frame.envelope, frame.body)
            offset += header.record_bytes
        self._must_truncate = True
        self._disk.write(segment.fd, buffers, segment.end)
        # After a failed fsync nobody knows what the kernel still holds of this file, so the next records go elsewhere.
        self._must_rotate = True
        self._disk.sync(segment.fd)
        self._must_truncate = self._must_rotate = False
        with self.changed:
            for header, frame in zip(headers, frames, strict=False):
                segment.add(header, segment.end, frame.owner)
            self.records += len(headers)
            self.size_bytes += sum(header.record_bytes for header in headers)
            self._next_sequence = headers[-1].sequence + 1
            self.changed.notify_all()
        return [header.sequence for header in headers]

    def _undo(self) -> None:
        if self._must_truncate:
            segment = self._segments[-1]
            self._disk.truncate(segment.fd, segment.end)
            self._must_truncate = False

    def _segment_for(self, frame: Frame) -> Segment:
        segment = self._segments[-1]
        is_full = segment.end > 0 and segment.end + frame.header(0).record_bytes > self._segment_bytes
        if not (is_full or self._must_rotate):
            return segment
        path = segment_path(self._directory, self._next_sequence)
        if path == segment.path:  # nothing was ever written to it
            return segment
        fresh = Segment(path, self._disk.create(path), self._next_sequence)
        self._must_rotate = False
        with self.changed:
            self._segments.append(fresh)
        return fresh

    def slots(self, after: int) -> Iterator[Slot]:
        """Hold `changed` while iterating."""
        for segment in self._segments:
            for index in range(segment.index_after(max(after, self.acknowledged)), len(segment.sequences)):
                yield Slot(segment, segment.sequences[index], segment.starts[index], segment.sizes[index])

    def has_after(self, after: int) -> bool:
        return next(self.slots(after), None) is not None

    def oldest_arrival_ns(self) -> int | None:
        for segment in self._segments:
            index = segment.index_after(self.acknowledged)
            if index < len(segment.sequences):
                return segment.arrivals_ns[index]
        return None

    def content(self, first: Slot, last: Slot) -> bytes:
        """Of one segment, from `first` to `last`. Shorter where the medium gives no more: the checksums find that."""
        size = last.start + last.size - first.start
        try:
            return os.pread(first.segment.fd, size, first.start)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise StoreUnavailableError("spool", f"the disk refused a read: {error.strerror}") from error

    def drop(self, slot: Slot) -> None:
        """A record that turned out damaged: it is out of the index, so that nobody waits for it."""
        with self.changed:
            index = slot.segment.index_after(slot.sequence - 1)
            self._shares.give_back([(slot.segment.owners[index], slot.size)])
            slot.segment.drop(index)
            self.records -= 1
            self.size_bytes -= slot.size
            self.damaged += 1

    def acknowledge(self, through: int) -> None:
        if through >= self._next_sequence:
            # A store may know of positions that this directory, put back from an older copy, has yet to hand out.
            with self._writing, self.changed:
                self._next_sequence = max(self._next_sequence, through + 1)
        with self.changed:
            if through <= self.acknowledged:
                return
            before, self.acknowledged = self.acknowledged, through
            with contextlib.suppress(OSError):  # forgetting is allowed, and space must become free all the same
                self._cursor.move(through)
            self._release(self._segments, before, through)
            pairs = itertools.pairwise(self._segments)
            gone = [earlier for earlier, later in pairs if later.first_sequence - 1 <= through]
            self._segments = self._segments[len(gone) :]
        for segment in gone:
            os.close(segment.fd)
            with contextlib.suppress(OSError):  # the next opening deletes it
                segment.path.unlink()

    def _release(self, segments: Sequence[Segment], before: int, through: int) -> None:
        for segment in segments:
            released = segment.shares(before, through)
            self._shares.give_back(released)
            self.records -= len(released)
            self.size_bytes -= sum(size for _, size in released)

    def close(self) -> None:
        for segment in self._segments:
            os.close(segment.fd)
        self._cursor.close()
