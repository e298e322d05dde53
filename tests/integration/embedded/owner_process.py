"""The process that owns a data directory, reduced to that: prints what it started as a line of JSON, then waits."""

import json
import signal
import sys
import threading
from pathlib import Path

from strata_stores.embedded.directory import DataDirectory
from strata_stores.embedded.supervisor import EmbeddedServers


def main(root: str, *wheels: str) -> None:
    sys.path[:0] = wheels  # servers from there rather than from the installed packages
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with DataDirectory(Path(root), command="owner_process") as directory, EmbeddedServers(directory) as servers:
        directory.announce(api_url="http://127.0.0.1:8400")
        pids = {status.name: status.pid for status in servers.status()}
        print(json.dumps(pids), flush=True)  # noqa: T201
        over.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
