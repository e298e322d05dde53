"""No pattern of the code takes for ever on any input: none repeats without end what itself repeats without end."""

import ast
import re
import re._constants as sre
import re._parser as parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("libs", "services") for path in (ROOT / folder).rglob("*.py"))
CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT}


def is_endless(pattern: parser.SubPattern, inside: bool = False) -> bool:
    """Whether an unbounded repetition stands in another, which backtracks over every way to share the input out.
    Possessive ones do not go back."""
    for operation, argument in pattern:
        if operation in REPEATS:
            _, most, body = argument
            unbounded = most is sre.MAXREPEAT
            if (inside and unbounded) or is_endless(body, inside or unbounded):
                return True
        elif any(is_endless(body, inside) for body in _bodies(argument)):
            return True
    return False


def _bodies(argument: object) -> list[parser.SubPattern]:
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, list | tuple):
        return [body for each in argument for body in _bodies(each)]
    return []


def patterns() -> list[tuple[str, str | bytes | None]]:
    """Each call to `re` with the text of its pattern; None for one that is put together when it runs."""
    found = []
    for path in SOURCES:
        source = path.read_text("utf-8")
        if "import re" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if (
                is_call
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in CALLS
            ):
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                found.append((where, _text(node.args[0])))
    return found


def _text(node: ast.expr) -> str | bytes | None:
    if isinstance(node, ast.JoinedStr):  # what is put in counts as a letter
        return "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
    return node.value if isinstance(node, ast.Constant) else None


def test_no_pattern_repeats_what_repeats():
    found = patterns()
    assert len(found) > 20
    endless = [where for where, text in found if text is not None and is_endless(parser.parse(text))]
    assert endless == []


def test_patterns_stand_in_the_code_where_they_can_be_looked_at():
    assert [where for where, text in patterns() if text is None] == []


@pytest.mark.parametrize("planted", [r"(a+)+b", r"(?:\s*x*)*$", r"((ab?)*c?)*d", r"(?:a|b+)*c"])
def test_a_planted_pattern_is_found(planted):
    assert is_endless(parser.parse(planted))


@pytest.mark.parametrize("harmless", [r"[a-z]+(?:-[a-z]{1,9}){0,9}", r"(?:a++)+b", r"^\w+\s*=\s*\d+$"])
def test_a_harmless_one_is_not(harmless):
    assert re.compile(harmless)
    assert not is_endless(parser.parse(harmless))
