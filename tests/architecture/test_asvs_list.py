"""The list of security requirements names tests that exist, for every requirement."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = (ROOT / "docs/security/asvs.md").read_text("utf-8")
ROWS = [line.strip("|").split("|") for line in LIST.splitlines() if re.match(r"\| \d", line)]
REQUIRED = """
1.2.4 1.2.10 1.3.6 1.3.12 1.5.2 2.3.3 2.3.4 2.4.1 3.3.2 3.4.3 3.4.6 3.5.1 3.5.8 5.2.3 6.2.12 6.5.1 6.5.5 7.2.4 7.4.1
8.2.2 8.4.1 11.2.2 11.3.4 11.4.2 13.2.1 14.2.1 15.3.4 15.4.2 16.2.5 16.4.1 16.5.2 16.5.3
"""


@pytest.fixture(scope="module")
def tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_requirement_is_listed():
    assert set(REQUIRED.split()) <= {item for row in ROWS for item in re.findall(r"\d+\.\d+\.\d+", row[0])}


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip() for row in ROWS])
def test_each_named_test_exists(tests, row):
    named = re.findall(r"`(test_\w+)`", row[2])
    assert [name for name in named if name not in tests] == []
    assert named or "not yet" in row[2].lower(), "names no test and does not say so"
