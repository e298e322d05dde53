"""What is put in for variables. Values stay values: none becomes a part of a language, be it of a regex.

`$host`, `${host}`, `${host:regex}` and `[[host]]` are the same here: a format only matters where a value is pasted into
a text, which nothing here is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from strata_datamodel.dashboards import PanelQuestion, QuestionFilter, Variable, VariableKind
from strata_datamodel.errors import InvalidError, LimitError, Problem
from strata_datamodel.limits import QUERY_FILTER_VALUES
from strata_datamodel.metrics import FilterOp, TagFilter

ALL: Final = "$__all"
_NAME: Final = re.compile(r"\$\{(\w{1,200})(?::\w{1,40})?\}|\[\[(\w{1,200})(?::\w{1,40})?\]\]|\$(\w{1,200})", re.ASCII)
_WHOLE: Final = re.compile(rf"\^?(?:\((?:\?:)?)?(?:{_NAME.pattern})\)?\$?", re.ASCII)
_META: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_NEGATED: Final = {FilterOp.NE, FilterOp.NO_MATCH}
_REGEX: Final = {FilterOp.MATCH, FilterOp.NO_MATCH}
_SEVERAL: Final = {FilterOp.EQ: FilterOp.IN, FilterOp.IN: FilterOp.IN}


@dataclass(frozen=True, slots=True)
class Chosen:
    """`is_all`: whatever there is."""

    values: tuple[str, ...]
    is_all: bool = False


def names_in(text: str) -> list[str]:
    return [_name(found) for found in _NAME.finditer(text)]


def chosen(variables: Sequence[Variable], sent: Mapping[str, Sequence[str]]) -> dict[str, Chosen]:
    """Raises InvalidError (code `bad_variable`) for what the dashboard has no such variable, or no such choice, for."""
    known = {variable.name: variable for variable in variables}
    problems = [Problem(f"/variables/{name}", "the dashboard has no such variable") for name in sent.keys() - known]
    for name in sent.keys() & known.keys():
        problems += _choice_problems(known[name], sent[name])
    if problems:
        problems.sort(key=lambda problem: problem.where)
        raise InvalidError("these variables cannot be set so", code="bad_variable", problems=problems)
    return {name: _chosen(each, sent.get(name, each.current)) for name, each in known.items()}


def with_values(question: PanelQuestion, values: Mapping[str, Chosen]) -> tuple[PanelQuestion, tuple[TagFilter, ...]]:
    """Raises InvalidError (code `unknown_variable`, `bad_variable`) and LimitError."""
    filters = tuple(made for each in question.filters for made in _filters(each, values))
    put = PanelQuestion(
        measurement=_one(question.measurement, values),
        field=_one(question.field, values),
        aggregate=question.aggregate,
        group_by=tuple(tag for text in question.group_by for tag in _each(text, values)),
        step=None if question.step is None else _one(question.step, values),
    )
    return put, filters


def _choice_problems(variable: Variable, sent: Sequence[str]) -> list[Problem]:
    where = f"/variables/{variable.name}"
    if variable.kind is VariableKind.CONSTANT and tuple(sent) != variable.current:
        return [Problem(where, "is a constant")]
    if ALL in sent and not variable.includes_all:
        return [Problem(where, "does not stand for all")]
    return [] if variable.is_multi or len(sent) == 1 else [Problem(where, "takes one value")]


def _chosen(variable: Variable, values: Sequence[str]) -> Chosen:
    if ALL in values:
        return Chosen(tuple(each for each in variable.options if each != ALL), is_all=True)
    return Chosen(tuple(values))


def _filters(each: QuestionFilter, values: Mapping[str, Chosen]) -> list[TagFilter]:
    """All of a variable is no filter at all."""
    op = FilterOp(each.op)
    if any(_is_all(text, values) for text in each.values):
        return []
    if op in _REGEX:
        return [TagFilter(each.tag, op, (_regex(each.values[0], values),))]
    found = tuple(dict.fromkeys(value for text in each.values for value in _each(text, values)))
    if op in _NEGATED:
        return [TagFilter(each.tag, op, (value,)) for value in found]
    return [TagFilter(each.tag, op if len(found) == 1 else _SEVERAL[op], found)]


def _is_all(text: str, values: Mapping[str, Chosen]) -> bool:
    """Also as `^$host$` or `^(?:$host)$`, which is how a regex asks for one of them."""
    found = _WHOLE.fullmatch(text)
    return found is not None and _value(_name(found), values).is_all


def _one(text: str, values: Mapping[str, Chosen]) -> str:
    found = _each(text, values)
    if len(found) != 1:
        raise InvalidError(f"{text!r} takes one value, and {len(found)} are chosen", code="bad_variable")
    return found[0]


def _each(text: str, values: Mapping[str, Chosen]) -> list[str]:
    """The text with every choice of its variables."""
    parts, choices = _parts(text, values)
    if not choices:
        return [text]
    count = 1
    for each in choices:
        count *= len(each)
    if count > QUERY_FILTER_VALUES:
        raise LimitError(f"the variables of {text!r} stand for {count} values", code="query_filter_values")
    if not count:
        raise InvalidError(f"nothing is chosen for the variables of {text!r}", code="bad_variable")
    return ["".join(_laced(parts, each)) for each in product(*choices)]


def _regex(text: str, values: Mapping[str, Chosen]) -> str:
    """Every value for itself: what means something in a regex is put in as the sign that it is."""
    parts, choices = _parts(text, values)
    if any(not each for each in choices):
        raise InvalidError(f"nothing is chosen for the variables of {text!r}", code="bad_variable")
    groups = ["|".join(_META.sub(r"\\\g<0>", value) for value in each) for each in choices]
    return "".join(_laced(parts, [f"(?:{group})" for group in groups]))


def _parts(text: str, values: Mapping[str, Chosen]) -> tuple[list[str], list[tuple[str, ...]]]:
    parts, choices, at = [], [], 0
    for found in _NAME.finditer(text):
        parts.append(text[at : found.start()])
        choices.append(_value(_name(found), values).values)
        at = found.end()
    return [*parts, text[at:]], choices


def _laced(parts: Sequence[str], between: Sequence[str]) -> list[str]:
    return [parts[0], *(text for pair in zip(between, parts[1:], strict=True) for text in pair)]


def _value(name: str, values: Mapping[str, Chosen]) -> Chosen:
    found = values.get(name)
    if found is None:
        raise InvalidError(
            f"there is no variable {name}", code="unknown_variable", hint="add it to the dashboard, or take it out"
        )
    return found


def _name(found: re.Match[str]) -> str:
    return found[1] or found[2] or found[3]
