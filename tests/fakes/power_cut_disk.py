"""A disk whose power can be cut at any instant: what was not synced by then may be there, in part, or not at all."""

import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path

from strata_stores.spool.disk import Disk

_SECTOR = 512


class _File:
    """What the medium has for certain, and what only the page cache has."""

    def __init__(self) -> None:
        self.certain = b""
        self.uncertain: list[tuple[int, bytes]] = []

    def settle(self) -> None:
        for offset, content in self.uncertain:
            self.certain = _written(self.certain, offset, content)
        self.uncertain = []

    def after_a_cut(self, draw: random.Random) -> bytes:
        """Writes reach the medium in any order, by sectors; a file may have become longer with nothing in it."""
        found = self.certain
        for offset, content in self.uncertain:
            for start in range(0, len(content), _SECTOR):
                sector = content[start : start + _SECTOR]
                if draw.random() < 0.5:
                    found = _written(found, offset + start, sector)
                elif draw.random() < 0.2:
                    found = _written(found, offset + start, bytes(len(sector)))
        return found


class PowerCutDisk(Disk):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}

    def write(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        end = super().write(fd, buffers, offset)
        with self._lock:
            self._file(fd).uncertain.append((offset, b"".join(buffers)))
        return end

    def sync(self, fd: int) -> None:
        """Without waiting for the real medium: its part is played here."""
        with self._lock:
            self._file(fd).settle()

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)
        with self._lock:
            file = self._file(fd)
            file.settle()
            file.certain = file.certain[:size]

    def create(self, path: Path) -> int:
        fd = super().create(path)
        with self._lock:
            number = os.fstat(fd).st_ino
            self._names = {name: known for name, known in self._names.items() if known != number}
            self._names[path.name] = number
            self._files[number] = _File()
        return fd

    def cut(self, directory: Path, after: Path, draw: random.Random) -> None:
        """Leaves in `after` what is found in `directory` once there is power again. The files that the disk made are as
        they may be, and those it was told to remove may be back; of others each is as it was at some time."""
        after.mkdir()
        with self._lock:
            mine = {
                name: self._files[number].after_a_cut(draw)
                for name, number in self._names.items()
                if (directory / name).exists() or draw.random() < 0.5
            }
            others = {path.name: path.read_bytes() for path in directory.iterdir() if path.name not in self._names}
        if draw.random() < 0.5:
            others["cursor"] = bytes(len(others["cursor"]))  # never synced while it is moved
        for name, content in (mine | others).items():
            (after / name).write_bytes(content)

    def _file(self, fd: int) -> _File:
        return self._files.setdefault(os.fstat(fd).st_ino, _File())


def _written(content: bytes, offset: int, more: bytes) -> bytes:
    return content[:offset].ljust(offset, b"\0") + more + content[offset + len(more) :]
