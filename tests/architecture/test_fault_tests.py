"""The page of fault tests lists what there is: every number, and every test that carries one."""

import ast
import re
from pathlib import Path

import pytest

from architecture.markdown import tables

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "tests/chaos/README.md").read_text("utf-8")
REQUIRED = {*range(1, 19), *range(20, 31), 47, 48, 49, 54}
ROWS = {int(row[0]): row[2] for row in tables(PAGE) if row[0].isdigit()}
CHECKED = re.findall(r"`(i\d+_\w+)`", PAGE)


@pytest.fixture(scope="module")
def names() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


def test_every_fault_is_listed():
    assert ROWS.keys() == REQUIRED


@pytest.mark.parametrize("number", sorted(ROWS))
def test_a_fault_names_tests_that_exist_and_one_that_carries_its_number(names, number):
    named = re.findall(r"`(test_\w+)`", ROWS[number])
    assert [name for name in named if name not in names] == []
    assert any(name.startswith(f"test_fault_{number:02}_") for name in named)


def test_every_test_that_carries_a_number_is_listed_under_it(names):
    numbered = {name: int(name[11:13]) for name in names if re.match(r"test_fault_\d\d_", name)}
    assert [name for name, number in numbered.items() if f"`{name}`" not in ROWS.get(number, "")] == []


def test_every_checker_is_listed(names):
    assert set(CHECKED) == {name for name in names if re.match(r"i\d+_", name)}
