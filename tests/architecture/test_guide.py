"""The papers say what is so: settings, commands, links, and what the decisions are guarded by."""

import re
from pathlib import Path

import pytest
import typer
from pydantic_core import PydanticUndefined

from architecture.exported_figures import SUFFIXES
from architecture.markdown import ROOT, anchors, commands, links, papers, tables
from strata_cli.main import app
from strata_stores.settings import Settings

SETTINGS = ROOT / "docs/guide/settings.md"
OPERATIONS = ROOT / "docs/guide/operations.md"
DECISIONS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
PAPERS = papers()
SECTIONS = ("Status: ", "## Context", "## Decision", "## Consequences", "## Guarded by")
NAMED_PATH = re.compile(r"`((?:tests|libs|services|tools|infra|migrations|bench|docs)/[\w./-]+)`")
NAMED_TEST = re.compile(r"`(test_\w+)`")
GUIDE = [path for path in PAPERS if path.is_relative_to(ROOT / "docs/guide")]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def shown_default(name: str) -> str:
    default = Settings.model_fields[name].default
    if default is PydanticUndefined:
        return "the user's data directory"
    if default is None or default == ():
        return "—"
    value = default.get_secret_value() if hasattr(default, "get_secret_value") else default
    return f"`{value}`"


def test_the_guide_lists_every_setting_with_its_default_and_no_other():
    listed = {cells[0].strip("`"): cells[1] for cells in tables(SETTINGS.read_text("utf-8"))}
    assert listed == {f"STRATA_{name.upper()}": shown_default(name) for name in Settings.model_fields}


def test_every_setting_is_explained():
    rows = list(tables(SETTINGS.read_text("utf-8")))
    assert len({cells[0] for cells in rows}) == len(rows)
    assert all(len(cells) == 3 and len(cells[2]) > 15 for cells in rows)


@pytest.mark.parametrize("path", PAPERS, ids=shown)
def test_a_named_setting_exists(path):
    # What the text itself calls wrong, and prefixes.
    known = {f"STRATA_{name.upper()}{suffix}" for name in Settings.model_fields for suffix in ("", "_FILE")}
    known |= {"STRATA_METRIC_URL"}
    used = set(re.findall(r"\bSTRATA_[A-Z_]*[A-Z]\b", path.read_text("utf-8")))
    assert {name for name in used if not name.startswith("STRATA_TEST")} <= known


@pytest.mark.parametrize("path", PAPERS, ids=shown)
def test_a_link_leads_somewhere(path):
    for link in links(path.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        other = (path.parent / target).resolve() if target else path
        assert other.exists(), link
        if anchor:
            assert anchor in anchors(other.read_text("utf-8")), link


@pytest.mark.parametrize("path", PAPERS, ids=shown)
def test_a_named_file_exists(path):
    for name in NAMED_PATH.findall(path.read_text("utf-8")):
        assert (ROOT / name).exists() or (ROOT / name).parent.name == "secrets", name


def _commands(command, words: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = {words}
    for name, sub in getattr(command, "commands", {}).items():
        found |= _commands(sub, (*words, name))
    return found


@pytest.mark.parametrize("path", [*GUIDE, ROOT / "README.md"], ids=shown)
def test_a_command_of_strata_exists(path):
    group = typer.main.get_command(app)
    known = _commands(group)
    for line in commands(path.read_text("utf-8")):
        match = re.match(r"(?:\S*/)?strata ((?:[a-z]+ ?)*)", line)
        if match:
            words = tuple(match.group(1).split())
            assert words[:2] in known or words[:1] in known, line
            for option in re.findall(r"--[a-z-]+", line):
                assert any(option in parameter.opts for parameter in _parameters(group)), line


def _parameters(command):
    yield from command.params
    for sub in getattr(command, "commands", {}).values():
        yield from _parameters(sub)


@pytest.mark.parametrize("path", [*GUIDE, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=shown)
def test_a_make_target_exists(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for line in commands(path.read_text("utf-8")):
        if line.startswith("make "):
            assert line.split()[1] in targets, line


def test_the_guide_names_every_figure_and_no_other(figures):
    text = OPERATIONS.read_text("utf-8")
    listed = {name for cells in tables(text) for name in re.findall(r"`(strata_\w+)`", cells[0])}
    suffixes = {suffix for kinds in SUFFIXES.values() for suffix in kinds}
    assert {name for name in listed if not {name + suffix for suffix in suffixes} & figures.keys()} == set()
    missing = {
        name for name in figures
        if name not in listed and re.sub(r"_(bucket|sum|count)$", "", name) not in listed and name != "up"
    }  # fmt: skip
    assert missing == set()


def test_every_decision_has_its_own_number():
    numbers = [path.name[:4] for path in DECISIONS]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("path", DECISIONS, ids=shown)
def test_a_decision_says_why_and_what_guards_it(path):
    text = path.read_text("utf-8")
    assert text.startswith(f"# {int(path.name[:4])}. ")
    places = [text.find(section) for section in SECTIONS]
    assert -1 not in places
    assert places == sorted(places)
    guards = text[places[-1] :]
    assert NAMED_PATH.search(guards) or "pyproject.toml" in guards
    tests = "\n".join(test.read_text("utf-8") for test in (ROOT / "tests").rglob("test_*.py"))
    tests += "\n".join(test.read_text("utf-8") for test in (ROOT / "tests").rglob("*contract.py"))
    for name in NAMED_TEST.findall(guards):
        assert f"def {name}(" in tests, name
    for contract in re.findall(r"import contract `([\w-]+)`", guards):
        assert f'id = "{contract}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert len(text.split()) < 700, "one page"
