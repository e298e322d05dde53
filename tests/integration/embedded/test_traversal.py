"""One account may pass, and nobody's other rights change."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from strata_stores.embedded.account import Account, private_account
from strata_stores.embedded.traversal import close_way, may_pass, open_way, read_entries

SERVER = Account(60_700, 60_700)
STRANGER = Account(60_701, 60_701)


def passes(directory: Path, account: Account) -> bool:
    return may_pass(directory.stat(), read_entries(directory), account)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o700)
    inner.parent.chmod(0o700)
    return inner


def test_the_account_passes_and_others_do_not(closed: Path) -> None:
    assert not passes(closed, SERVER)
    open_way(closed, SERVER)
    assert passes(closed, SERVER)
    assert passes(closed.parent, SERVER)
    assert not passes(closed, STRANGER)
    assert stat.S_IMODE(closed.stat().st_mode) & 0o007 == 0


def test_closing_gives_back_the_rights_there_were(closed: Path) -> None:
    open_way(closed, SERVER)
    open_way(closed, STRANGER)
    close_way(closed, STRANGER)
    assert passes(closed, SERVER)
    close_way(closed, SERVER)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert len(read_entries(closed)) == 3


def test_a_group_shut_out_by_the_mask_stays_out(closed: Path) -> None:
    closed.chmod(0o750)
    open_way(closed, STRANGER)
    closed.chmod(
        0o700
    )  # on a directory with entries this sets the mask: group and STRANGER keep theirs, without effect
    in_group = Account(60_702, closed.stat().st_gid)
    assert not passes(closed, in_group)
    open_way(closed, SERVER)
    assert passes(closed, SERVER)
    assert not passes(closed, in_group)
    assert not passes(closed, STRANGER)


def test_open_directories_are_not_touched(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    before = os.listxattr(tmp_path), stat.S_IMODE(tmp_path.stat().st_mode)
    open_way(tmp_path, SERVER)
    assert (os.listxattr(tmp_path), stat.S_IMODE(tmp_path.stat().st_mode)) == before


def test_the_kernel_agrees_with_what_we_compute(closed: Path) -> None:
    account = SERVER if os.geteuid() == 0 else Account(os.geteuid(), os.getegid())
    (closed / "door").mkdir()
    open_way(closed / "door", account)
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    for parent in (*closed.parents,):
        open_way(parent, account)
    listed = subprocess.run(["ls", "-d", str(closed / "door")], check=False, capture_output=True, cwd="/", **identity)
    assert listed.returncode == 0, listed.stderr


def test_an_account_of_our_own_is_nobodys(tmp_path: Path) -> None:
    account = private_account(tmp_path)
    assert 60_578 <= account.uid <= 61_183
    assert private_account(tmp_path) == account
