"""How much memory there is for this process."""

import os
from pathlib import Path
from typing import Final

_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int:
    """Of the machine, or what its container may take of that."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        allowed = _CONTAINER.read_text("ascii").strip()
    except OSError:
        return machine
    return min(machine, int(allowed)) if allowed.isdecimal() else machine
