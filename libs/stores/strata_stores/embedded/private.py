"""Directories and files that only our account may open."""

import os
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE_DIRECTORY: Final = 0o700
PRIVATE_FILE: Final = 0o600


def make_private(directory: Path) -> Path:
    """Makes it and its missing parents. `Path.mkdir(mode, parents=True)` would give the parents the umask's rights."""
    if not directory.exists():
        make_private(directory.parent)
        directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    return directory


def open_private(path: Path) -> BinaryIO:
    """For appending."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE), "ab")
