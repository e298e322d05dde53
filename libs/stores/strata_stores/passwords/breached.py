"""Passwords that were breached, in a file of the form that Have I Been Pwned publishes, on this machine's disk."""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from strata_datamodel.errors import InvalidError, UnavailableError

_DIGEST: Final = 40
_LINE: Final = re.compile(rb"([0-9A-Fa-f]{40})(?::[0-9]{1,12})?\r?\n?")
_WINDOW: Final = 128
"""More than two lines: whatever offset it begins at, it holds the end of one and the begin of the next."""


class BreachedPasswordFile:
    """A line a password, `SHA-1:count`, in the order of the hashes. It is searched where it lies, in some forty reads
    of 128 bytes however large it is (the whole list has tens of gigabytes): no part of it is kept in memory."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidError (code `bad_passwords_file`) for a file that is not of this form: only its first and its
        last line and one between are looked at."""
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _bad(f"it cannot be opened: {error.strerror}") from None
        self._size = os.fstat(self._file).st_size
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def knows(self, password: str) -> bool:
        """Raises UnavailableError when the file cannot be read, or is damaged: a password that nobody can look up is
        not taken."""
        wanted = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
        low, high = 0, self._size
        while low < high:
            middle = (low + high) // 2
            start = self._line_start(middle)
            if start >= high:
                high = middle
                continue
            digest, end = self._line(start)
            if digest == wanted:
                return True
            if digest < wanted:
                low = end
            else:
                high = middle
        return False

    def close(self) -> None:
        os.close(self._file)

    def _check(self) -> None:
        if self._size < _DIGEST:
            raise _bad("it is empty")
        try:
            offsets = sorted((0, self._size // 2, max(0, self._size - _WINDOW)))
            places = [self._line_start(offset) for offset in offsets]
            digests = [self._line(place)[0] for place in places if place < self._size]
        except UnavailableError:
            raise _bad("a line of it is no SHA-1 hash with a count") from None
        if digests != sorted(digests):
            raise _bad("its lines are not in the order of their hashes")

    def _line_start(self, offset: int) -> int:
        """Of the first line that begins at the offset or after it; the file's size when there is none."""
        if offset == 0:
            return 0
        window = self._read(offset - 1)
        newline = window.find(b"\n")
        if newline >= 0:
            return offset + newline
        if offset - 1 + len(window) < self._size:
            raise _damaged()
        return self._size

    def _line(self, start: int) -> tuple[str, int]:
        found = _LINE.match(self._read(start))
        if found is None:
            raise _damaged()
        return found[1].decode("ascii").upper(), start + found.end()

    def _read(self, offset: int) -> bytes:
        try:
            return os.pread(self._file, _WINDOW, offset)
        except OSError:
            raise _damaged() from None


def _bad(why: str) -> InvalidError:
    return InvalidError(
        f"the file of breached passwords cannot be used: {why}",
        code="bad_passwords_file",
        hint="STRATA_BREACHED_PASSWORDS_FILE names the list of SHA-1 hashes, ordered by hash",
    )


def _damaged() -> UnavailableError:
    return UnavailableError("the file of breached passwords cannot be read", code="passwords_file_unreadable")
