"""What a server prints, in a file that cannot grow without bound."""

from pathlib import Path
from typing import Final

from strata_datamodel.limits import KIB, MIB
from strata_stores.embedded.private import open_private

SERVER_LOG_BYTES: Final = 8 * MIB
TAIL_BYTES: Final = 4 * KIB


class ServerLog:
    """One file and its predecessor; the last few lines stay in memory for error messages. Written by one thread."""

    def __init__(self, path: Path, max_bytes: int = SERVER_LOG_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._tail = b""

    def append(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        try:
            self._make_room(len(chunk))
            with open_private(self.path) as file:
                file.write(chunk)
        except OSError:
            return  # a full disk must not block the server on its own chatter; the tail is kept

    def last_lines(self, count: int = 8) -> str:
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-count:])

    def _make_room(self, incoming_bytes: int) -> None:
        if self.path.exists() and self.path.stat().st_size + incoming_bytes > self._max_bytes:
            self.path.replace(self.path.with_suffix(".1" + self.path.suffix))
