"""The spool on a local directory: many appenders, one flusher thread, one reader."""

import contextlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
import structlog

from strata_core.ports.clock import Clock
from strata_datamodel.errors import SpoolFullError, StrataError, TooLargeError, UnavailableError
from strata_datamodel.limits import MIB
from strata_datamodel.spooling import Envelope, SpoolDepth, SpoolPosition, SpoolRecord
from strata_stores.spool.cursor import Cursor
from strata_stores.spool.disk import Disk, write_failure
from strata_stores.spool.framing import HEADER_BYTES, decode_header, payload_crc
from strata_stores.spool.identity import load_identity, lock_directory
from strata_stores.spool.recovery import recover
from strata_stores.spool.segment import segment_paths
from strata_stores.spool.segment_log import Frame, SegmentLog, Slot
from strata_stores.spool.shares import Shares

_BYTES_PER_FLUSH: Final = 64 * MIB
_FULL_RETRY_S: Final = 5
_DISK_LOOK_S: Final = 1.0
_encode_envelope = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: Frame
    future: "Future[SpoolPosition]" = field(default_factory=Future)

    @property
    def size_bytes(self) -> int:
        return HEADER_BYTES + len(self.frame.envelope) + len(self.frame.body)


class FileSpool:
    """Refuses appends (SpoolFullError) past `max_bytes` not yet acknowledged, past `max_queued_bytes` not yet flushed,
    and while the disk has less than `min_free_bytes`; (LimitError) past their organization's share. The directory may
    take up to `max_bytes + segment_bytes`."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        max_bytes: int = 4096 * MIB,
        segment_bytes: int = 64 * MIB,
        max_queued_bytes: int = 256 * MIB,
        min_free_bytes: int = 256 * MIB,
        disk: Disk | None = None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._disk = disk or Disk()
        self._max_bytes = max_bytes
        self._max_queued_bytes = max_queued_bytes
        self._min_free_bytes = min_free_bytes
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = lock_directory(directory)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, self._lock_fd)
            identity = load_identity(
                directory, clock.now_ns() // 1_000_000, has_segments=bool(segment_paths(directory))
            )
            cursor = Cursor(directory / "cursor", self._disk)
            undo.callback(cursor.close)
            recovered = recover(directory, identity.marker, cursor.value, self._disk)
            undo.pop_all()
        self._spool_id = identity.spool_id
        self._marker = identity.marker
        self._shares = Shares(max_bytes)
        self._segments = SegmentLog(
            directory, identity.marker, recovered, cursor, self._disk, self._shares, segment_bytes=segment_bytes
        )
        self._reading = threading.Lock()
        self._arrived = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._is_closed = False
        self._next_look_s = 0.0
        self._is_disk_low = False
        self._flusher = threading.Thread(target=self._flush_until_closed, name="spool-flusher", daemon=True)
        self._flusher.start()

    @property
    def spool_id(self) -> UUID:
        return self._spool_id

    @property
    def acknowledged(self) -> int:
        return self._segments.acknowledged

    def append(self, envelope: Envelope, body: bytes) -> "Future[SpoolPosition]":
        packed = _encode_envelope(envelope)
        owner = envelope.organization_id
        waiting = _Waiting(Frame(owner, envelope.received_at_ns, payload_crc(packed, body), packed, body))
        if waiting.size_bytes > self._max_bytes:
            raise TooLargeError("the request is larger than the whole ingest spool")
        # From here on nobody can cancel it: whoever stops waiting must not make others believe it was not stored.
        waiting.future.set_running_or_notify_cancel()
        with self._arrived:
            self._require_open()
            self._require_room(waiting.size_bytes)
            self._shares.take(owner, waiting.size_bytes)
            self._queue.append(waiting)
            self._queued_bytes += waiting.size_bytes
            self._arrived.notify()
        return waiting.future

    def read(self, after: int, *, max_records: int, max_bytes: int) -> list[SpoolRecord]:
        with self._reading:
            self._require_open()
            while True:
                with self._segments.changed:
                    slots = _within(self._segments.slots(after), max_records, max_bytes)
                records = [record for run in _runs(slots) for record in self._read_run(run)]
                if records or not slots:
                    return records
                after = slots[-1].sequence

    def acknowledge(self, through: int) -> None:
        with self._reading:
            self._require_open()
            self._segments.acknowledge(through)

    def wait_for_records(self, after: int, timeout_s: float) -> bool:
        changed = self._segments.changed
        with changed:
            changed.wait_for(lambda: self._is_closed or self._segments.has_after(after), timeout_s)
            return not self._is_closed and self._segments.has_after(after)

    def depth(self) -> SpoolDepth:
        with self._segments.changed:
            return SpoolDepth(
                self._segments.records, self._segments.size_bytes, self._max_bytes, self._segments.oldest_arrival_ns()
            )

    def damaged_records(self) -> int:
        return self._segments.damaged

    def share_refusals(self) -> int:
        return self._shares.refusals

    def close(self) -> None:
        with self._arrived:
            if self._is_closed:
                return
            self._is_closed = True
            self._arrived.notify()
        self._flusher.join()
        with self._segments.changed:
            self._segments.changed.notify_all()
        with self._reading:
            self._segments.close()
            os.close(self._lock_fd)

    def _require_open(self) -> None:
        if self._is_closed:
            raise UnavailableError("the ingest spool is closed")

    def _require_room(self, size_bytes: int) -> None:
        if self._segments.size_bytes + self._queued_bytes + size_bytes > self._max_bytes:
            raise SpoolFullError(
                "the ingest spool is full: the stores behind it are down or too slow", retry_after_s=_FULL_RETRY_S
            )
        if self._queued_bytes + size_bytes > self._max_queued_bytes and self._queue:
            raise SpoolFullError("the disk under the ingest spool is too slow", retry_after_s=_FULL_RETRY_S)
        now_s = self._clock.monotonic_s()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + _DISK_LOOK_S
            try:
                self._is_disk_low = self._disk.free_bytes(self._directory) < self._min_free_bytes
            except OSError as error:
                raise write_failure(error) from error
        if self._is_disk_low:
            raise SpoolFullError("the disk under the ingest spool is nearly full", retry_after_s=_FULL_RETRY_S)

    def _read_run(self, run: Sequence[Slot]) -> Iterator[SpoolRecord]:
        content = self._segments.content(run[0], run[-1])
        if len(content) < run[-1].start + run[-1].size - run[0].start and len(run) > 1:
            for slot in run:  # a bad block costs the records on it, not their neighbours
                yield from self._read_run([slot])
            return
        for slot in run:
            start = slot.start - run[0].start
            record = self._decode(slot, content[start : start + slot.size])
            if record is None:
                self._segments.drop(slot)
                _log.error("spool_record_damaged", spool_id=str(self._spool_id), sequence=slot.sequence)
            else:
                yield record

    def _decode(self, slot: Slot, raw: bytes) -> SpoolRecord | None:
        header = decode_header(self._marker, raw[:HEADER_BYTES])
        if header is None or header.sequence != slot.sequence or header.record_bytes != len(raw):
            return None
        middle = HEADER_BYTES + header.envelope_bytes
        packed, body = raw[HEADER_BYTES:middle], raw[middle:]
        if payload_crc(packed, body) != header.payload_crc:
            return None
        try:
            envelope = _decode_envelope(packed)
        except msgspec.MsgspecError:
            return None
        return SpoolRecord(SpoolPosition(self._spool_id, slot.sequence), envelope, body)

    def _flush_until_closed(self) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._queue or self._is_closed)
                if not self._queue:
                    return
                batch = self._take_batch()
            try:
                self._flush(batch)
            except Exception as error:  # noqa: BLE001 - the thread every append depends on must go on
                _log.exception("spool_flush_failed")
                self._fail(batch, UnavailableError(f"the ingest spool failed: {type(error).__name__}"))
            with self._arrived:
                self._queued_bytes -= sum(waiting.size_bytes for waiting in batch)

    def _take_batch(self) -> list[_Waiting]:
        batch = [self._queue.popleft()]
        size_bytes = batch[0].size_bytes
        while self._queue and size_bytes + self._queue[0].size_bytes <= _BYTES_PER_FLUSH:
            batch.append(self._queue.popleft())
            size_bytes += batch[-1].size_bytes
        return batch

    def _flush(self, batch: Sequence[_Waiting]) -> None:
        sequences, error = self._segments.write([waiting.frame for waiting in batch])
        if error is not None:
            _log.error("spool_write_failed", error=error.strerror, failed=len(batch) - len(sequences))
            self._fail(batch[len(sequences) :], write_failure(error))
        for waiting, sequence in zip(batch, sequences, strict=False):
            waiting.future.set_result(SpoolPosition(self._spool_id, sequence))

    def _fail(self, batch: Sequence[_Waiting], error: StrataError) -> None:
        failed = [waiting for waiting in batch if not waiting.future.done()]
        self._shares.give_back((waiting.frame.owner, waiting.size_bytes) for waiting in failed)
        for waiting in failed:
            waiting.future.set_exception(error)


def _within(slots: Iterator[Slot], max_records: int, max_bytes: int) -> list[Slot]:
    chosen: list[Slot] = []
    size_bytes = 0
    for slot in itertools.islice(slots, max_records):
        size_bytes += slot.size
        if chosen and size_bytes > max_bytes:
            break
        chosen.append(slot)
    return chosen


def _runs(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """Slots that lie next to each other in one file, to be read by one call."""
    run: list[Slot] = []
    for slot in slots:
        if run and (slot.segment is not run[-1].segment or slot.start != run[-1].start + run[-1].size):
            yield run
            run = []
        run.append(slot)
    if run:
        yield run
