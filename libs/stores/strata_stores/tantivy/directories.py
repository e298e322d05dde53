"""The directories of indexes, one a day of logs. Each is there whole or not at all, whenever the process dies."""

import os
import shutil
import uuid
from pathlib import Path
from typing import Final

import tantivy

from strata_core.logs.documents import is_day
from strata_stores.tantivy.schema import SCHEMA

_UNFINISHED: Final = ".new-"
_CONDEMNED: Final = ".dropped-"


def prepare_directory(directory: Path) -> None:
    """Also removes what a process left that died while making or dropping an index."""
    directory.mkdir(parents=True, exist_ok=True)
    for entry in directory.iterdir():
        if entry.name.startswith((_UNFINISHED, _CONDEMNED)):
            shutil.rmtree(entry)


def existing_days(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir() if is_day(entry.name))


def create_index(directory: Path, name: str, schema: tantivy.Schema = SCHEMA) -> None:
    unfinished = directory / f"{_UNFINISHED}{name}-{uuid.uuid4().hex}"
    unfinished.mkdir()
    tantivy.Index(schema, str(unfinished))
    unfinished.rename(directory / name)
    _sync(directory)


def remove_index(directory: Path, name: str) -> None:
    condemned = directory / f"{_CONDEMNED}{name}-{uuid.uuid4().hex}"
    try:
        (directory / name).rename(condemned)
    except FileNotFoundError:
        return
    _sync(directory)
    shutil.rmtree(condemned)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
