"""Which account a server runs as when we are root. PostgreSQL refuses root; nothing else here needs another account."""

import hashlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# No distribution hands these out: systemd's table of UIDs calls 60578 to 61183 unused, and they fit the 65536 ids
# that rootless containers map. An account of its own keeps the data away from everything that runs as `nobody`.
FIRST_PRIVATE_ID: Final = 60578
PRIVATE_IDS: Final = 606


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int


def server_account(data_directory: Path) -> Account | None:
    """None unless we are root. An existing directory keeps its account, so root may start a user's data."""
    if os.geteuid() != 0:
        return None
    if data_directory.exists():
        status = data_directory.stat()
        if status.st_uid != 0:
            return Account(status.st_uid, status.st_gid)
    return private_account(data_directory)


def private_account(data_directory: Path) -> Account:
    digest = hashlib.sha256(os.fsencode(data_directory.resolve())).digest()
    start = int.from_bytes(digest[:4])
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for step in range(PRIVATE_IDS):
        number = FIRST_PRIVATE_ID + (start + step) % PRIVATE_IDS
        if number not in taken:
            return Account(number, number)
    return Account(65534, 65534)


def named_account() -> Account:
    """An account that has a name: `initdb` insists on one, PostgreSQL itself does not."""
    for name in ("nobody", "daemon"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    entry = next(entry for entry in pwd.getpwall() if entry.pw_uid != 0)
    return Account(entry.pw_uid, entry.pw_gid)


def give(path: Path, account: Account | None) -> None:
    """Hands over a directory and what is in it."""
    if account is None:
        return
    for directory, _, files in os.walk(path):
        os.chown(directory, account.uid, account.gid)
        for name in files:
            os.chown(Path(directory, name), account.uid, account.gid, follow_symlinks=False)
