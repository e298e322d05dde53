"""Who a spool directory belongs to: its lasting id, the marker of its records, and the process that has it open."""

import contextlib
import fcntl
import json
import os
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from strata_datamodel.errors import ConflictError, StoreUnavailableError
from strata_datamodel.ids import uuid7
from strata_stores.spool.disk import sync_directory
from strata_stores.spool.framing import MARKER_BYTES

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Identity:
    spool_id: UUID
    marker: bytes


def lock_directory(directory: Path) -> int:
    """The descriptor that holds the lock; the kernel frees it when the owner dies, however it dies."""
    path = directory / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise ConflictError(
            f"the ingest spool {directory} is in use by process {owner}",
            code="spool_in_use",
            hint="stop that process, or give this one its own data directory",
        ) from None
    # Written over in place and for people only: a full disk must not keep the spool from being drained.
    with contextlib.suppress(OSError):
        os.pwrite(fd, f"{os.getpid():<31}\n".encode("ascii"), 0)
    return fd


def load_identity(directory: Path, unix_ms: int, *, has_segments: bool) -> Identity:
    path = directory / "spool.json"
    if path.exists():
        return _parse(path)
    if has_segments:
        raise StoreUnavailableError("spool", f"{path} is missing beside its segments; restore it from a backup")
    identity = Identity(uuid7(unix_ms), secrets.token_bytes(MARKER_BYTES))
    _write(path, identity)
    return identity


def _checksum(spool_id: str, marker: str) -> int:
    return zlib.crc32(f"{_FORMAT} {spool_id} {marker}".encode("ascii"))


def _write(path: Path, identity: Identity) -> None:
    spool_id, marker = str(identity.spool_id), identity.marker.hex()
    content = {"format": _FORMAT, "spool_id": spool_id, "marker": marker, "crc": _checksum(spool_id, marker)}
    draft = path.with_suffix(".draft")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_directory(path.parent)


def _parse(path: Path) -> Identity:
    try:
        content = json.loads(path.read_bytes())
        spool_id, marker = content["spool_id"], content["marker"]
        if content["format"] != _FORMAT or content["crc"] != _checksum(spool_id, marker):
            raise ValueError("format or checksum")
        identity = Identity(UUID(spool_id), bytes.fromhex(marker))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnavailableError("spool", f"{path} is damaged; restore it from a backup") from error
    return identity
