"""Answers of the three languages, brought to one form. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_TIME: Final = "time"
Value = float | str | bool | None


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its points by time in Unix milliseconds. A value may be a text; None is a window without a point."""

    name: str
    tags: Mapping[str, str]
    points: Sequence[tuple[int, Value]]

    @property
    def title(self) -> str:
        tags = ", ".join(f"{name}={value}" for name, value in self.tags.items())
        return f"{self.name} {{{tags}}}" if tags else self.name


@dataclass(frozen=True, slots=True)
class Listing:
    """What is no series, as InfluxQL's SHOW."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    lines: Sequence[Line]
    listings: Sequence[Listing] = ()


def of_metrics(answer: Mapping[str, Any], name: str) -> QueryAnswer:
    return QueryAnswer(
        [Line(name, each["tags"], [(at, value) for at, value in each["points"]]) for each in answer["series"]]
    )


def of_influxql(answer: Mapping[str, Any]) -> QueryAnswer:
    """One line a column of values. Raises nothing for a statement that failed: `failures_of` tells."""
    lines: list[Line] = []
    listings: list[Listing] = []
    for series in _series(answer):
        columns, rows = series["columns"], series.get("values", [])
        if columns[:1] == [_TIME]:
            lines += _columns(series, columns, rows)
        else:
            listings.append(Listing(series.get("name", ""), columns, rows))
    return QueryAnswer(lines, listings)


def failures_of(answer: Mapping[str, Any]) -> list[str]:
    return [str(result["error"]) for result in answer.get("results", []) if "error" in result]


def of_promql(answer: Mapping[str, Any]) -> QueryAnswer:
    data = answer["data"]
    if data["resultType"] in {"scalar", "string"}:
        return QueryAnswer([Line(data["resultType"], {}, [_sample(data["result"])])])
    lines = []
    for each in data["result"]:
        labels = dict(each["metric"])
        points = each["values"] if "values" in each else [each["value"]]
        lines.append(Line(labels.pop("__name__", "value"), labels, [_sample(point) for point in points]))
    return QueryAnswer(lines)


def _series(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for result in answer.get("results", []):
        yield from result.get("series", [])


def _columns(series: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> list[Line]:
    name, tags = series.get("name", ""), series.get("tags", {})
    return [
        Line(f"{name}.{column}", tags, [(int(row[0] or 0), row[number]) for row in rows])
        for number, column in enumerate(columns)
        if number
    ]


def _sample(point: Sequence[Any]) -> tuple[int, Value]:
    """A value comes as a text, since JSON has no NaN."""
    at_s, text = point
    try:
        return round(float(at_s) * 1_000), float(text)
    except ValueError:
        return round(float(at_s) * 1_000), str(text)
