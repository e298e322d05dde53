"""Every arrow of the architecture is held by a contract: a planted import breaks it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOMES = {
    "strata_datamodel": "libs/datamodel",
    "strata_wire": "libs/wire",
    "strata_core": "libs/core",
    "strata_stores": "libs/stores",
    "strata_api": "services/api",
    "strata_ingest": "services/ingest",
    "strata_workers": "services/workers",
    "strata_cli": "services/cli",
    "strata_migrations": "migrations",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The packages side by side in a scratch folder, where a violation can be planted."""
    scratch = tmp_path_factory.mktemp("imports")
    for package, home in HOMES.items():
        shutil.copytree(ROOT / home / package, scratch / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", scratch / "pyproject.toml")
    return scratch


def lint(scratch: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--config", "pyproject.toml"],
        cwd=scratch,
        env={"PYTHONPATH": str(scratch), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tree_keeps_every_contract(copy):
    result = lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("strata_datamodel", "strata_core", "services -> stores"),
        ("strata_datamodel", "strata_wire", "services -> stores"),
        ("strata_core", "strata_stores", "services -> stores"),
        ("strata_core", "strata_api", "services -> stores"),
        ("strata_core", "strata_wire", "core does not know wire formats"),
        ("strata_wire", "strata_core", "wire imports only datamodel"),
        ("strata_stores", "strata_api", "services -> stores"),
        ("strata_stores", "strata_wire", "stores take columns"),
        ("strata_api", "strata_workers", "services do not import each other"),
        ("strata_workers", "strata_ingest", "services do not import each other"),
        ("strata_api", "strata_cli", "services -> stores"),
        ("strata_api", "strata_stores.clock", "bootstrap only"),
        ("strata_api", "strata_core.ports.system_unit_of_work", "only workers and the command line"),
        ("strata_stores.influx", "strata_stores.duckdb", "never imports another"),
        ("strata_stores.elastic", "strata_stores.postgres", "never imports another"),
        ("strata_core", "psycopg", "drivers"),
        ("strata_cli", "duckdb", "drivers"),
        ("strata_workers", "redis", "drivers"),
        ("strata_api", "rq", "rq is imported"),
        ("strata_core", "fastapi", "frameworks"),
    ],
)
def test_a_planted_import_breaks_its_contract(copy, module, imported, contract):
    planted = copy / Path(*module.split(".")) / "planted.py"
    planted.write_text(f"import {imported}\n", encoding="utf-8")
    try:
        result = lint(copy)
    finally:
        planted.unlink()
    assert result.returncode == 1, result.stdout
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), result.stdout
