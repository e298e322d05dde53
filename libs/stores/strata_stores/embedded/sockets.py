"""A place for unix sockets whose path the kernel can still hold."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from strata_datamodel.errors import UnavailableError
from strata_stores.embedded.private import PRIVATE_DIRECTORY, make_private

SOCKET_PATH_BYTES: Final = 103  # macOS; Linux takes 107
LONGEST_NAME: Final = "postgres/.s.PGSQL.5432"


def socket_directory(root: Path) -> Path:
    """`root/run`, or when that will not do a directory under the system's temporary one, named after `root`."""
    inside = root / "run"
    if _fits(inside):
        return make_private(inside)
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    outside = Path(tempfile.gettempdir()).resolve() / f"strata-{os.geteuid()}-{digest}"
    if not _fits(outside):
        raise UnavailableError(
            f"neither {inside} nor {outside} is short enough for a unix socket",
            code="socket_path_too_long",
            hint="choose a --data-dir with a shorter path",
        )
    return ours_alone(outside)


def remove_socket_directory(directory: Path, root: Path) -> None:
    """Only one outside `root`, and only when no socket is left in it."""
    if directory.is_relative_to(root):
        return
    for emptied in (directory / "postgres", directory):
        try:
            emptied.rmdir()
        except OSError:
            return


def ours_alone(directory: Path) -> Path:
    """Anybody may make names in a temporary directory: take only a real one that is ours and closed to writers."""
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY)
    except FileExistsError:
        status = directory.lstat()
        is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        if not is_ours or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnavailableError(
                f"{directory} belongs to somebody else, is a link, or others may write to it",
                code="socket_directory_taken",
                hint="remove it, or choose a --data-dir with a shorter path",
            ) from None
    return directory


def _fits(directory: Path) -> bool:
    """Clients of PostgreSQL take a comma for the end of one host and the start of another: no quoting helps."""
    if "," in str(directory):
        return False
    return len(os.fsencode(directory / LONGEST_NAME)) <= SOCKET_PATH_BYTES
