"""The system calls under the spool, in one place so that a test can make them fail."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from strata_datamodel.errors import SpoolFullError, StoreUnavailableError, UnavailableError

_BUFFERS_PER_CALL: Final = 512  # below IOV_MAX, which is 1024 on Linux and macOS
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_RETRY_AFTER_S: Final = 5


class Disk:
    def write(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """Writes all of it at `offset`; returns the end."""
        for first in range(0, len(buffers), _BUFFERS_PER_CALL):
            rest = [memoryview(buffer) for buffer in buffers[first : first + _BUFFERS_PER_CALL]]
            while rest:
                written = os.pwritev(fd, rest, offset)
                offset += written
                rest = _after(rest, written)
        return offset

    def sync(self, fd: int) -> None:
        # macOS has no fdatasync.
        getattr(os, "fdatasync", os.fsync)(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Durable when it returns."""
        os.ftruncate(fd, size)
        os.fsync(fd)

    def create(self, path: Path) -> int:
        """A new file whose name survives a power cut."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            sync_directory(path.parent)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return fd

    def free_bytes(self, directory: Path) -> int:
        stat = os.statvfs(directory)
        return stat.f_bavail * stat.f_frsize


def _after(buffers: list[memoryview], written: int) -> list[memoryview]:
    """What is left of the buffers when `written` bytes of them are on their way."""
    for index, buffer in enumerate(buffers):
        if written < len(buffer):
            return [buffer[written:], *buffers[index + 1 :]]
        written -= len(buffer)
    return []


def sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_failure(error: OSError) -> UnavailableError:
    if error.errno in _NO_ROOM:
        return SpoolFullError("the disk under the ingest spool is full", retry_after_s=_RETRY_AFTER_S)
    return StoreUnavailableError("spool", f"the disk refused a write: {error.strerror}", retry_after_s=_RETRY_AFTER_S)
