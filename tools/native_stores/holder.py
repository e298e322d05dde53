"""python -m native_stores.holder RUN STORE WAY…: runs one server for a test run, and ends when the run does."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from native_stores.cache import ensure_installed
from native_stores.catalogue import KINDS, version_of
from native_stores.children import kill_group
from native_stores.containers import find_engine, start_container
from native_stores.kind import NativeStoreError
from native_stores.running import log_tail, start
from native_stores.shared_run import Served, is_leased, publish

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Held:
    served: Served
    stop: Callable[[], None]
    why_dead: Callable[[], str | None]


def main() -> None:
    folder, name, *ways = Path(sys.argv[1]), sys.argv[2], *sys.argv[3:]
    # Locked before the fork, and so still locked when the caller sees us return: a holder is never started twice.
    with (folder / f"{name}.holder").open("a") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fork():
            os._exit(0)
        os.setsid()
        hold(folder, name, ways)


def hold(folder: Path, name: str, ways: list[str]) -> None:
    work = folder / name
    try:
        held = _start_by_first_that_works(name, ways, work)
    except NativeStoreError as problem:
        publish(folder, name, str(problem))
        return
    try:
        publish(folder, name, held.served)
        while is_leased(folder):
            if dead := held.why_dead():
                publish(folder, name, dead)
                break
            time.sleep(_LOOK_EVERY_S)
    finally:
        held.stop()
        shutil.rmtree(work, ignore_errors=True)
    if not is_leased(folder) and not any(path.is_dir() for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def _start_by_first_that_works(name: str, ways: list[str], work: Path) -> Held:
    problems: list[str] = []
    for way in ways:
        try:
            work.mkdir(exist_ok=True)
            held = _WAYS[way](name, work)
        except Exception as problem:  # noqa: BLE001 - a container engine fails in many ways; each is a reason to go on
            problems.append(f"{way}: {problem}")
            shutil.rmtree(work, ignore_errors=True)
        else:
            before = f" (not by {'; by '.join(problems)})" if problems else ""
            return replace(held, served=replace(held.served, how=held.served.how + before))
    raise NativeStoreError(f"{name} could not be started by " + "; by ".join(problems))


def _natively(name: str, work: Path) -> Held:
    kind = KINDS[name]
    version = version_of(kind)
    launch, url = start(kind, version, ensure_installed(kind, version), work)

    def why_dead() -> str | None:
        code = launch.process.poll()
        return None if code is None else f"{kind.product} died during the run ({code}):\n{log_tail(launch.log)}"

    return Held(Served(url, f"native {kind.product} {version}"), lambda: kill_group(launch.process), why_dead)


def _in_docker(name: str, work: Path) -> Held:
    kind = KINDS[name]
    version = version_of(kind)
    engine = find_engine()
    if engine is None:
        raise NativeStoreError("no engine answers")
    url, stop = start_container(name, version, engine)
    return Held(Served(url, f"docker {kind.product} {version}"), stop, lambda: None)


_WAYS: dict[str, Callable[[str, Path], Held]] = {"native": _natively, "docker": _in_docker}


if __name__ == "__main__":
    main()
