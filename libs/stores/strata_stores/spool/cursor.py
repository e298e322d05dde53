"""How far the reader is, in two slots written in turn: a torn write leaves the other slot."""

import contextlib
import os
import struct
import zlib
from pathlib import Path
from typing import Final

from strata_stores.spool.disk import Disk

_VALUE: Final = struct.Struct("<Q")
_SLOT: Final = struct.Struct("<QI")


class Cursor:
    """Not fsynced at each move: the page cache survives a killed process, and after a power cut the reader sees some
    records again, which the contract allows."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._disk = disk
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        raw = os.pread(self._fd, 2 * _SLOT.size, 0)
        if not raw:
            # Both slots have their room from the start: moving on must work on a full disk, for it is what frees space.
            os.pwrite(self._fd, bytes(2 * _SLOT.size), 0)
        values = [_decode(raw[: _SLOT.size]), _decode(raw[_SLOT.size :])]
        self.value = max(values)
        self._slot = 1 - values.index(self.value)

    def move(self, value: int) -> None:
        raw = _VALUE.pack(value)
        os.pwrite(self._fd, raw + struct.pack("<I", zlib.crc32(raw)), self._slot * _SLOT.size)
        self._slot = 1 - self._slot
        self.value = value

    def close(self) -> None:
        with contextlib.suppress(OSError):  # nothing is lost but the newest moves
            self._disk.sync(self._fd)
        os.close(self._fd)


def _decode(raw: bytes) -> int:
    """Zero when the slot was never written or is damaged."""
    if len(raw) != _SLOT.size:
        return 0
    value, crc = _SLOT.unpack(raw)
    return int(value) if crc == zlib.crc32(raw[: _VALUE.size]) else 0
