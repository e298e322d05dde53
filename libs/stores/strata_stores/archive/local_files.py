"""Writing into a local archive. obstore renames into place as well, but does not fsync."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from strata_datamodel.errors import InvalidError

_PARTIAL: Final = ".partial"


def put_durably(root: Path, path: str, content: bytes) -> None:
    target = root / path
    _make_directories(root, target.parent)
    if target.is_dir():
        raise InvalidError("another object's key begins with this one", code="bad_key")
    draft = root / _PARTIAL / f"{os.getpid()}-{secrets.token_hex(8)}"
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    _sync(target.parent)


def prepare_root(root: Path) -> None:
    """Makes the directory, and clears what processes that are gone left half-written."""
    (root / _PARTIAL).mkdir(mode=0o700, parents=True, exist_ok=True)
    for draft in (root / _PARTIAL).iterdir():
        if not _is_running(draft.name.partition("-")[0]):
            draft.unlink(missing_ok=True)


def is_writable(root: Path) -> bool:
    return os.access(root / _PARTIAL, os.W_OK | os.X_OK)


def _make_directories(root: Path, directory: Path) -> None:
    missing = [parent for parent in (directory, *directory.parents) if parent != root and root in parent.parents]
    for parent in reversed(missing):
        try:
            parent.mkdir(mode=0o700)
        except FileExistsError:
            if not parent.is_dir():
                raise InvalidError("this key begins with another object's key", code="bad_key") from None
        else:
            _sync(parent.parent)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_running(pid: str) -> bool:
    with contextlib.suppress(ProcessLookupError, ValueError, OverflowError):
        try:
            os.kill(int(pid), 0)
        except PermissionError:
            return True
        return True
    return False
