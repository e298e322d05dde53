"""Where installed servers live: outside the source tree, installed once, by one process at a time, or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from native_stores.kind import Kind, NativeStoreError

_MARKER = ".complete"


def cache_root() -> Path:
    named = os.environ.get("STRATA_TEST_CACHE")
    if named:
        return Path(named)
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(user_cache) / "strata-native-stores"


def home_of(kind: Kind, version: str) -> Path:
    return cache_root() / f"{kind.product}-{version}"


def is_installed(kind: Kind, version: str) -> bool:
    return (home_of(kind, version) / _MARKER).exists()


def ensure_installed(kind: Kind, version: str) -> Path:
    """The server's home, installing it if need be. A half-done install is never visible under that name."""
    home = home_of(kind, version)
    if is_installed(kind, version):
        return home
    missing = kind.missing_tools(version)
    if missing:
        raise NativeStoreError(f"cannot install {kind.product} {version}: " + "; ".join(missing))
    cache_root().mkdir(parents=True, exist_ok=True)
    with exclusive(home.with_name(home.name + ".lock")):
        if not is_installed(kind, version):
            _install_aside_and_rename(kind, version, home)
    return home


def _install_aside_and_rename(kind: Kind, version: str, home: Path) -> None:
    prefix = f".installing-{home.name}-"
    for abandoned in home.parent.glob(prefix + "*"):  # by a process that was killed: we hold the only lock
        shutil.rmtree(abandoned, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=prefix, dir=home.parent))
    try:
        kind.install(version, aside)
        (aside / _MARKER).touch()
        aside.chmod(0o755)
        shutil.rmtree(home, ignore_errors=True)
        aside.rename(home)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a lock that the kernel lets go of when this process dies, however it dies."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
