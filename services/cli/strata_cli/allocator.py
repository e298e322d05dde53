"""Restarts the process once with allocator settings that keep large request bodies off mmap and munmap."""

import os
import sys
from typing import Final

# glibc gives every body over 128 KiB a mapping of its own and returns it at once, which costs fresh page faults. Work
# per second of CPU, with over without: 1.31 where bodies are only received (1.08 to 1.39 in 5 repeats), 0.985 where
# they are parsed and stored (0.92 to 1.07), which is no difference. `python bench/run.py --row allocator --repeats 5`
TUNING: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(2 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


def tune_allocator() -> None:
    """Only the environment reaches the C library, and only before it starts: hence the exec. An operator's own values
    are left alone."""
    if sys.platform != "linux" or any(name in os.environ for name in TUNING):
        return
    os.environ.update(TUNING)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the same program with the same words
