"""What the world was told, written outside the system under test and on disk before anything else happens."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Ledger:
    """Append-only, a JSON document a line, synced one by one: it survives whatever befalls the test itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("ab")
        self._entries: list[Entry] = [json.loads(line) for line in path.read_bytes().splitlines()]

    def note(self, kind: str, **facts: Any) -> Entry:
        entry = {"kind": kind, "at": time.time(), **facts}
        with self._lock:
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._entries.append(entry)
        return entry

    def entries(self, kind: str, **facts: Any) -> Iterator[Entry]:
        with self._lock:
            known = list(self._entries)
        for entry in known:
            if entry["kind"] == kind and all(entry.get(name) == value for name, value in facts.items()):
                yield entry

    def count(self, kind: str, **facts: Any) -> int:
        return sum(1 for _ in self.entries(kind, **facts))

    def close(self) -> None:
        self._file.close()
