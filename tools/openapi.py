"""Writes docs/openapi.json from the routes, or with --check says whether it is up to date."""

import json
import sys
from dataclasses import MISSING, fields
from pathlib import Path

from strata_api.api_deps import ApiDeps
from strata_api.app import create_app
from strata_stores.clock import SystemClock

PATH = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def bare_deps(**given: object) -> ApiDeps:
    """Of an API without any store: its routes can be looked at, and whatever gets past its edge fails."""
    needed = [each.name for each in fields(ApiDeps) if each.init and {each.default, each.default_factory} == {MISSING}]
    known = {"clock": SystemClock(), "health_checks": list, "cursor_key": b""}
    return ApiDeps(**{**dict.fromkeys(needed), **known, **given})  # type: ignore[arg-type]


def document() -> str:
    """Nothing is opened for it: the routes alone decide."""
    return json.dumps(create_app(bare_deps()).openapi(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    current = document()
    if "--check" in sys.argv[1:]:
        is_current = PATH.is_file() and PATH.read_text("utf-8") == current
        print(f"{PATH.name} is {'up to date' if is_current else 'stale: run python tools/openapi.py'}")
        return 0 if is_current else 1
    PATH.write_text(current, "utf-8")
    print(f"wrote {PATH}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
