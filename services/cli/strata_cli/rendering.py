"""What people and programs read on a terminal."""

import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from strata_datamodel.errors import StrataError

EXIT_PROBLEM = 1
EXIT_USAGE = 2
EXIT_BROKEN = 3
"""What was to be verified is not what it should be."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, separators=(",", ":"), default=str) + "\n")


def print_outcome(document: Mapping[str, object], sentence: str, *, as_json: bool) -> None:
    """What became of a thing: the thing itself for a program, a sentence for a person."""
    if as_json:
        print_json(document)
    else:
        out.print(sentence, markup=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def print_document(document: Mapping[str, object]) -> None:
    for name, value in document.items():
        out.print(f"{name:<18} {value}", markup=False)


def fail(error: StrataError, *, as_json: bool = False) -> int:
    """A user's mistake and an operator's trouble are told in sentences, never as a traceback. The exit code."""
    if as_json:
        problems = [{"where": problem.where, "detail": problem.detail} for problem in error.problems]
        print_json({"error": {"code": error.code, "detail": error.detail, "hint": error.hint, "problems": problems}})
    else:
        err.print(f"[bold red]error[/] {error.code}: ", end="")
        err.print(error.detail, markup=False, soft_wrap=True)
        for problem in error.problems:
            err.print(f"  {problem.where}: {problem.detail}", markup=False, soft_wrap=True)
        if error.hint:
            err.print(f"  {error.hint}", markup=False, style="dim", soft_wrap=True)
    return EXIT_USAGE if error.code == "bad_settings" else EXIT_PROBLEM
