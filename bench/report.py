"""The table for people, and the JSON for programs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.figures import Figure, RowResult, Spread

_RESULTS: Final = Path(__file__).with_name("results")


def table(result: RowResult) -> str:
    lines = [[figure.label, *_cells(figure, result.spread(figure))] for figure in result.row.figures]
    heads = [result.row.name, "median", f"lowest … highest of {len(result.samples)}", "unit"]
    widths = [max(len(line[place]) for line in [heads, *lines]) for place in range(len(heads))]
    body = [_line(line, widths) for line in lines]
    return "\n".join([f"\n{result.row.title}", _line(heads, widths), _rule(widths), *body])


def facts(known: Mapping[str, object]) -> Iterator[str]:
    for name, value in known.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else value
        yield f"{name.replace('_', ' ')}: {shown}"


def save(known: Mapping[str, object], results: list[RowResult], *, is_quick: bool) -> Path:
    """Where it was put."""
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"{str(known['at']).replace(':', '').replace('+0000', 'Z')}.json"
    rows = {
        result.row.name: {
            "title": result.row.title,
            "figures": {
                figure.key: {"label": figure.label, "unit": figure.unit} | asdict(result.spread(figure))
                for figure in result.row.figures
            },
            "repeats": result.samples,
        }
        for result in results
    }
    document = {"machine": dict(known), "is_quick": is_quick, "rows": rows}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path


def _cells(figure: Figure, spread: Spread) -> list[str]:
    shown = [_number(value, is_ratio=figure.is_ratio) for value in (spread.median, spread.lowest, spread.highest)]
    return [shown[0], f"{shown[1]} … {shown[2]}", figure.unit or ("ratio" if figure.is_ratio else "")]


def _number(value: float, *, is_ratio: bool) -> str:
    if is_ratio or abs(value) < 10:
        return f"{value:.3f}"
    return f"{value:,.1f}" if abs(value) < 1_000 else f"{value:,.0f}"


def _line(cells: list[str], widths: list[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    numbers, unit = rest[:-1], rest[-1]
    shown = [f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in numbers), f"{unit[0]:<{unit[1]}}"]
    return f"| {' | '.join(shown)} |"


def _rule(widths: list[int]) -> str:
    dashes = ["-" * width for width in widths]
    return f"| {dashes[0]} | {dashes[1][1:]}: | {dashes[2][1:]}: | {dashes[3]} |"
