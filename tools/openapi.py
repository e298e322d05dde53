"""Writes docs/openapi.json from the routes, or with --check says whether it is up to date."""

import json
import sys
from pathlib import Path

from strata_api.api_deps import ApiDeps
from strata_api.app import create_app
from strata_stores.clock import SystemClock

PATH = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
_PORTS = (
    "units",
    "metric_store",
    "log_store",
    "search_index",
    "cache",
    "password_hasher",
    "known_passwords",
    "passkeys",
    "identity_providers",
    "secret_box",
    "rate_limiter",
    "link_key",
)


def document() -> str:
    """Nothing is opened for it: the routes alone decide."""
    nothing: dict[str, object] = dict.fromkeys(_PORTS)
    deps = ApiDeps(**nothing, clock=SystemClock(), health_checks=list, cursor_key=b"")  # type: ignore[arg-type]
    return json.dumps(create_app(deps).openapi(), indent=2, ensure_ascii=False) + "\n"


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
