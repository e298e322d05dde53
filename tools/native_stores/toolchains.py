"""Finds go, mvn and a Java that is new enough, and says what to install where there is none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

_JAVA_HOMES = ("/usr/lib/jvm/*", "/opt/java/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")
_MAJOR = re.compile(r'version "(?:1\.)?(\d+)')


def missing_programs(programs: dict[str, str]) -> list[str]:
    """Of programs (name -> what provides it), the ones that are not on PATH, as sentences."""
    return [
        f"`{name}` is not on PATH: install {provider}"
        for name, provider in programs.items()
        if shutil.which(name) is None
    ]


def find_java_home(at_least: int) -> Path | None:
    """JAVA_HOME when it is new enough, else the oldest Java that is: the one most like what the server was tried on."""
    named = os.environ.get("JAVA_HOME")
    if named and (major := _java_major(Path(named))) is not None and major >= at_least:
        return Path(named)
    fitting = sorted((major, home) for home, major in _installed_javas().items() if major >= at_least)
    return fitting[0][1] if fitting else None


def _installed_javas() -> dict[Path, int]:
    candidates = [path for pattern in _JAVA_HOMES for path in Path("/").glob(pattern.lstrip("/"))]
    on_path = shutil.which("java")
    if on_path:
        candidates.append(Path(on_path).resolve().parent.parent)
    homes = {path.resolve() for path in candidates}
    return {home: major for home in homes if (major := _java_major(home)) is not None}


def _java_major(home: Path) -> int | None:
    java = home / "bin" / "java"
    if not java.is_file():
        return None
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    found = _MAJOR.search(shown.stderr + shown.stdout)
    return int(found[1]) if found else None
