"""Points back to line protocol: nanoseconds, one field a line, so that each line stands for one point."""

from collections.abc import Iterable

from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey


def lines_of(batch: PointBatch, rows: Iterable[int]) -> list[bytes]:
    heads: dict[int, str] = {}
    lines: list[bytes] = []
    for row in rows:
        index = int(batch.series_index[row])
        series = batch.series[index]
        head = heads.get(index)
        if head is None:
            head = heads[index] = _head(series)
        value = _value(series.field_class, float(batch.values[row]), batch.texts)
        lines.append(f"{head}{value} {int(batch.time_ns[row])}\n".encode())
    return lines


def _head(series: SeriesKey) -> str:
    tags = "".join(f",{_escaped(key, ',= ')}={_escaped(value, ',= ')}" for key, value in series.tags)
    return f"{_escaped(series.measurement, ', ')}{tags} {_escaped(series.field, ',= ')}="


def _value(field_class: FieldClass, value: float, texts: tuple[str, ...]) -> str:
    if field_class is FieldClass.NUMBER:
        return repr(value)
    if field_class is FieldClass.BOOLEAN:
        return "true" if value else "false"
    return '"' + _escaped(texts[int(value)], '"\\') + '"'


def _escaped(text: str, special: str) -> str:
    for character in special if "\\" not in special else "\\" + special.replace("\\", ""):
        text = text.replace(character, "\\" + character)
    return text
