"""The compose files as data, merged as Compose merges them."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "docker-compose.yml"
TLS = ROOT / "docker-compose.tls.yml"
# Lists that an overlay replaces; every other list is added to.
REPLACED = {"command", "entrypoint", "test"}


def load(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        document = yaml.safe_load(file)
    assert isinstance(document, dict)
    return document


def merged(*paths: Path) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for path in paths:
        whole = _merge(whole, load(path))
    return whole


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in over.items():
        present = result.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            result[name] = _merge(present, value)
        elif isinstance(present, list) and isinstance(value, list) and name not in REPLACED:
            result[name] = [*present, *value]
        else:
            result[name] = value
    return result


def secret_names(service: dict[str, Any]) -> list[str]:
    return [item if isinstance(item, str) else item["source"] for item in service.get("secrets", ())]


def runs_once(service: dict[str, Any]) -> bool:
    return service.get("restart") == "no"
