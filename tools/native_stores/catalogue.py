"""The kinds of server there are, by the name that markers and settings use, and the version asked for."""

from __future__ import annotations

import os

from native_stores.elastic import ELASTIC
from native_stores.influx import INFLUX
from native_stores.kind import Kind
from native_stores.prometheus import PROMETHEUS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (INFLUX, ELASTIC, PROMETHEUS)}


def version_setting(kind: Kind) -> str:
    return f"STRATA_TEST_{kind.name.upper()}_VERSION"


def version_of(kind: Kind) -> str:
    return os.environ.get(version_setting(kind), kind.default_version)
