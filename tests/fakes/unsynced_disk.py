"""A disk that does not wait for the medium: for tests that cut and flip bytes themselves."""

import os

from strata_stores.spool.disk import Disk


class UnsyncedDisk(Disk):
    def sync(self, fd: int) -> None:
        pass

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)
