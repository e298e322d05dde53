"""What the tool has to know about one kind of server to install and run it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class NativeStoreError(Exception):
    """Something the person at the keyboard can act upon: a tool to install, a log to read."""


@dataclass(frozen=True)
class Launch:
    process: subprocess.Popen[bytes]
    log: Path
    # None until the server has bound its port: ports are picked by the server itself, so no two runs can race for one.
    find_url: Callable[[], str | None]
    is_ready: Callable[[str], bool]


@dataclass(frozen=True)
class Kind:
    name: str
    product: str
    default_version: str
    missing_tools: Callable[[str], list[str]]
    install: Callable[[str, Path], None]
    launch: Callable[[str, Path, Path], Launch]
