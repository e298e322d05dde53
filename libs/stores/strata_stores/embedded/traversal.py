"""Lets one account walk through directories that only root may enter, and do nothing else there.

As root our data directory (0700) and often its parents (/root, a mktemp -d) and the Python environment are closed to
the account PostgreSQL runs as. We add an access control entry for that one account with only the right to pass; where
the file system has none, o+x: others may then pass too, but still not list or read.
"""

import errno
import os
import stat
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strata_datamodel.errors import UnavailableError
from strata_stores.embedded.account import Account

_ACL: Final = "system.posix_acl_access"
_HEADER: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")
_VERSION: Final = 2
_NO_ID: Final = 0xFFFFFFFF
_PASS: Final = 1
_OWNER, _USER, _GROUP_OWNER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_GROUP_CLASS: Final = frozenset({_USER, _GROUP_OWNER, _GROUP})


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    tag: int
    account_id: int
    rights: int


def open_way(path: Path, account: Account | None) -> None:
    """Afterwards `account` can reach `path`, an existing directory, by its real name."""
    if account is None:
        return
    real = path.resolve()
    for directory in [*reversed(real.parents), real]:
        entries = read_entries(directory)
        if not may_pass(directory.stat(), entries, account):
            _let_pass(directory, entries, account)


def close_way(path: Path, account: Account) -> None:
    """Takes back what `open_way` gave this account by access control entries."""
    real = path.resolve()
    for directory in [real, *real.parents]:
        entries = read_entries(directory)
        if any((entry.tag, entry.account_id) == (_USER, account.uid) for entry in entries):
            _write_entries(directory, _with_mask(_without(entries, account)))


def read_entries(directory: Path) -> list[Entry]:
    if sys.platform == "linux":
        try:
            packed = os.getxattr(directory, _ACL)
        except OSError as error:
            if error.errno not in {errno.ENODATA, errno.ENOTSUP}:
                raise
        else:
            found = _ENTRY.iter_unpack(packed[_HEADER.size :])
            return [Entry(tag, account_id, rights) for tag, rights, account_id in found]
    mode = directory.stat().st_mode
    classes = ((_OWNER, mode >> 6), (_GROUP_OWNER, mode >> 3), (_OTHER, mode))
    return [Entry(tag, _NO_ID, rights & 7) for tag, rights in classes]


def may_pass(status: os.stat_result, entries: list[Entry], account: Account) -> bool:
    rights = {(entry.tag, entry.account_id): entry.rights for entry in entries}
    mask = rights.get((_MASK, _NO_ID), 7)
    if status.st_uid == account.uid:
        granted = rights[_OWNER, _NO_ID]
    elif (_USER, account.uid) in rights:
        granted = rights[_USER, account.uid] & mask
    elif status.st_gid == account.gid:
        granted = rights[_GROUP_OWNER, _NO_ID] & mask
    else:
        granted = rights[_OTHER, _NO_ID]
    return bool(granted & _PASS)


def _let_pass(directory: Path, entries: list[Entry], account: Account) -> None:
    wanted = _with_mask([*_without(entries, account), Entry(_USER, account.uid, _PASS)])
    try:
        if not _write_entries(directory, wanted):
            directory.chmod(stat.S_IMODE(directory.stat().st_mode) | stat.S_IXOTH)
    except OSError as error:
        raise UnavailableError(
            f"PostgreSQL cannot run as root, and its account {account.uid} cannot be let through {directory}: {error}",
            code="data_directory_closed",
            hint="start Strata as an ordinary user, or choose a --data-dir below directories that others may pass",
        ) from error


def _without(entries: list[Entry], account: Account) -> list[Entry]:
    return [entry for entry in _masked(entries) if (entry.tag, entry.account_id) != (_USER, account.uid)]


def _masked(entries: list[Entry]) -> list[Entry]:
    """What each entry really grants, without the mask: rights that it hid stay hidden when another one is computed."""
    mask = next((entry.rights for entry in entries if entry.tag == _MASK), 7)
    return [
        Entry(entry.tag, entry.account_id, entry.rights & mask if entry.tag in _GROUP_CLASS else entry.rights)
        for entry in entries
        if entry.tag != _MASK
    ]


def _with_mask(entries: list[Entry]) -> list[Entry]:
    """A mask that hides nothing; none when nobody is named, as the kernel wants it then."""
    if not any(entry.tag in {_USER, _GROUP} for entry in entries):
        return sorted(entries)
    mask = 0
    for entry in entries:
        mask |= entry.rights if entry.tag in _GROUP_CLASS else 0
    return sorted([*entries, Entry(_MASK, _NO_ID, mask)])


def _write_entries(directory: Path, entries: list[Entry]) -> bool:
    """False when the file system has no access control entries."""
    if sys.platform != "linux":
        return False
    packed = b"".join(_ENTRY.pack(entry.tag, entry.rights, entry.account_id) for entry in entries)
    try:
        os.setxattr(directory, _ACL, _HEADER.pack(_VERSION) + packed)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EINVAL}:
            return False
        raise
    return True
