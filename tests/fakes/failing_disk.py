"""A disk that refuses on request, after having done part of the work as real ones do."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from strata_stores.spool.disk import Disk


class FailingDisk(Disk):
    def __init__(self) -> None:
        self.room: int | None = None
        self.fails_sync = False
        self.fails_truncate = False
        self.fails_create = False
        self.free = 1 << 40

    def write(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        content = b"".join(buffers)
        if self.room is not None and len(content) > self.room:
            os.pwrite(fd, content[: self.room], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, buffers, offset)

    def sync(self, fd: int) -> None:
        if self.fails_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)

    def truncate(self, fd: int, size: int) -> None:
        if self.fails_truncate:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().truncate(fd, size)

    def create(self, path: Path) -> int:
        if self.fails_create:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().create(path)

    def free_bytes(self, directory: Path) -> int:
        return self.free
