"""Who owns a data directory: a lock that dies with its holder, and in it what the holder says of itself."""

import errno
import fcntl
import os
import sys
import threading
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import psutil  # type: ignore[import-untyped]

from strata_datamodel.errors import ConflictError, UnavailableError

LOCK_NAME: Final = "owner.lock"
# A look by `running_instance` holds the lock for a moment. That must not turn a starting owner away.
_ATTEMPTS: Final = 20
_PAUSE_S: Final = 0.025
_READ_BYTES: Final = 16 * 1024


class RunningInstance(msgspec.Struct, frozen=True):
    """The content of the lock file. The URLs are None until the owner announces them."""

    pid: int
    started_at: datetime
    command: str
    api_url: str | None = None
    ingest_url: str | None = None
    relational_url: str | None = None
    redis_url: str | None = None


class DataDirectoryInUse(ConflictError):  # noqa: N818 - reads as what happened, as `NotFound` would not
    code = "data_directory_in_use"

    def __init__(self, root: Path, owner: RunningInstance | None) -> None:
        if owner is None:
            detail = f"{root} is in use by another process"
            hint = f"find it with `fuser {root / LOCK_NAME}` and stop it, or choose another --data-dir"
        else:
            since = owner.started_at.isoformat(timespec="seconds")
            detail = f"{root} is in use by process {owner.pid} ({owner.command}), running since {since}"
            hint = f"stop it with `kill {owner.pid}`, or choose another --data-dir"
        super().__init__(detail, hint=hint)
        self.owner = owner


class OwnerLock:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._descriptor: int | None = None

    def acquire(self, command: str) -> RunningInstance:
        """Raises DataDirectoryInUse. A killed owner never blocks: its lock died with it, only its words remain."""
        descriptor = _open(self._root, os.O_RDWR | os.O_CREAT)
        if not _lock(descriptor, fcntl.LOCK_EX, self._root):
            try:
                raise DataDirectoryInUse(self._root, _read(descriptor))
            finally:
                os.close(descriptor)
        self._descriptor = descriptor
        _close_in_forks(self)
        me = _this_process(command)
        self.write(me)
        return me

    def write(self, instance: RunningInstance) -> None:
        if self._descriptor is None:
            raise ConflictError(f"{self._root} is not held by this process", code="data_directory_not_held")
        content = msgspec.json.encode(instance)
        os.pwrite(self._descriptor, content, 0)  # then cut: a reader between the two sees JSON or tries again
        os.ftruncate(self._descriptor, len(content))

    def release(self) -> None:
        """Idempotent. The file stays: to remove it would let two owners lock two files of one name."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def running_instance(root: Path) -> RunningInstance | None:
    """Who owns `root` right now; None when nobody does, or nobody ever did."""
    root = root.expanduser().resolve()
    try:
        descriptor = _open(root, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if _try_lock(descriptor, fcntl.LOCK_SH, root):
            return None
        return _read(descriptor)
    finally:
        os.close(descriptor)


def unusable(root: Path, reason: object) -> UnavailableError:
    return UnavailableError(
        f"{root} cannot be used as the data directory: {reason}",
        code="data_directory_unusable",
        hint="choose a directory that your account owns with --data-dir or STRATA_DATA_DIR",
    )


def _open(root: Path, flags: int) -> int:
    try:
        return os.open(root / LOCK_NAME, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unusable(root, error) from error


def _lock(descriptor: int, kind: int, root: Path) -> bool:
    never = threading.Event()
    for _ in range(_ATTEMPTS):
        if _try_lock(descriptor, kind, root):
            return True
        never.wait(_PAUSE_S)
    return False


def _try_lock(descriptor: int, kind: int, root: Path) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in {errno.ENOLCK, errno.EOPNOTSUPP}:
            raise unusable(root, "its file system has no file locks") from error
        raise
    return True


def _read(descriptor: int) -> RunningInstance | None:
    never = threading.Event()
    for _ in range(_ATTEMPTS):
        try:
            return msgspec.json.decode(os.pread(descriptor, _READ_BYTES, 0), type=RunningInstance)
        except msgspec.DecodeError:
            never.wait(_PAUSE_S)
    return None


def _this_process(command: str) -> RunningInstance:
    me = psutil.Process()
    # the program and its subcommand, not the rest: an argument may be a secret
    words = command or " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    return RunningInstance(me.pid, datetime.fromtimestamp(me.create_time(), UTC), words[:200])


def _close_in_forks(lock: OwnerLock) -> None:
    """A forked RQ work horse that outlives us must not go on holding the directory."""
    reference = weakref.ref(lock)

    def close_inherited() -> None:
        inherited = reference()
        if inherited is not None:
            inherited.close()

    os.register_at_fork(after_in_child=close_inherited)
