"""python -m native_stores install|path|start [influx] [elastic] [prometheus]: see --help."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading

from native_stores.cache import ensure_installed, home_of, is_installed
from native_stores.catalogue import KINDS, version_of, version_setting
from native_stores.kind import Kind, NativeStoreError
from native_stores.running import START_WITHIN_S
from native_stores.shared_run import ask_for, await_served, open_run


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    kinds = list(arguments.stores or KINDS.values())
    if arguments.version and len(kinds) > 1:
        parser.error("--version goes with one store")
    try:
        match arguments.action:
            case "install":
                return _install(kinds, arguments.version)
            case "path":
                return _path(kinds, arguments.version)
            case _:
                return _start(kinds, arguments.version, as_json=arguments.json)
    except NativeStoreError as problem:
        print(problem, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m native_stores", description=__doc__)
    parser.add_argument(
        "action",
        choices=["install", "path", "start"],
        help="install: into the cache; path: print where, exit 1 if not there; "
        "start: run in the foreground until interrupted, with throw-away data",
    )
    parser.add_argument("stores", nargs="*", type=_kind, metavar="influx|elastic", help="default: both")
    parser.add_argument("--version", help="another version than the default (one store only)")
    parser.add_argument("--json", action="store_true", help="start: print {store: url} on one line")
    return parser


def _kind(name: str) -> Kind:
    if name not in KINDS:  # argparse's own `choices` refuses an empty list of them
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(KINDS)}")
    return KINDS[name]


def _install(kinds: list[Kind], version: str | None) -> int:
    for kind in kinds:
        wanted = version or version_of(kind)
        if not is_installed(kind, wanted):
            print(f"{kind.product} {wanted}: installing (a minute or more)", flush=True)
        print(f"{kind.product} {wanted}: {ensure_installed(kind, wanted)}")
    return 0


def _path(kinds: list[Kind], version: str | None) -> int:
    absent = False
    for kind in kinds:
        wanted = version or version_of(kind)
        print(home_of(kind, wanted))
        absent = absent or not is_installed(kind, wanted)
    return int(absent)


def _start(kinds: list[Kind], version: str | None, *, as_json: bool) -> int:
    told_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_stop.set())
    run = open_run()
    try:
        for kind in kinds:
            if version:
                os.environ[version_setting(kind)] = version
            ensure_installed(kind, version_of(kind))
            ask_for(run.folder, kind.name, ["native"])
        urls = {kind.name: await_served(run.folder, kind.name, START_WITHIN_S).url for kind in kinds}
        lines = [f"export STRATA_TEST_{name.upper()}_URL={url}" for name, url in urls.items()]
        print(json.dumps(urls) if as_json else "\n".join(lines), flush=True)
        told_to_stop.wait()
    finally:
        run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
