"""A process that appends to a spool for ever and tells on stdout what was acknowledged to it. It gets killed.

python spool_writer.py DIRECTORY ROUND [FILE_SIZE_LIMIT]
"""

import resource
import sys
import threading
from pathlib import Path

from factories.envelopes import envelope
from strata_datamodel.errors import UnavailableError
from strata_stores.clock import SystemClock
from strata_stores.spool.file_spool import FileSpool

THREADS = 4


def body(round_: int, thread: int, number: int) -> bytes:
    return b"%d/%d/%d/" % (round_, thread, number) + b"v" * (number * 131 % 3000)


def append_for_ever(spool: FileSpool, round_: int, thread: int, out: threading.Lock) -> None:
    number = 0
    while True:
        futures = [(n, spool.append(envelope(n), body(round_, thread, n))) for n in range(number, number + 20)]
        number += 20
        for n, future in futures:
            sequence = future.result().sequence
            with out:
                sys.stdout.write(f"{sequence} {round_} {thread} {n}\n")
        sys.stdout.flush()
        if thread == 0 and number % 100 == 0:
            spool.acknowledge(spool.acknowledged + 37)


def append_past_the_limit(spool: FileSpool, limit: int) -> None:
    """The kernel refuses to grow any file past `limit`, then room comes back."""
    taken: list[int] = []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    refused = 0
    for number in range(40):
        try:
            taken.append(spool.append(envelope(number), body(0, 0, number)).result().sequence)
        except UnavailableError:
            refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    taken += [spool.append(envelope(number), body(0, 0, number)).result().sequence for number in range(40, 50)]
    read = [record.position.sequence for record in spool.read(0, max_records=1000, max_bytes=1 << 30)]
    spool.close()
    print(refused, read == taken, len(taken))  # noqa: T201 - the parent reads it


def main() -> None:
    directory, round_ = Path(sys.argv[1]), int(sys.argv[2])
    spool = FileSpool(directory, SystemClock(), segment_bytes=200_000, min_free_bytes=0)
    if len(sys.argv) > 3:
        append_past_the_limit(spool, int(sys.argv[3]))
        return
    out = threading.Lock()
    for thread in range(THREADS):
        threading.Thread(target=append_for_ever, args=(spool, round_, thread, out)).start()


if __name__ == "__main__":
    main()
