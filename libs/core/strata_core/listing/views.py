"""A list, declared: its statement is made once for each set of filters in use, and asked for with values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Float,
    FromClause,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
    tuple_,
)

from strata_core.access.rules import require, require_somewhere, scopes_of
from strata_core.context import Context
from strata_core.ports.list_reader import Question

_STATEMENTS: Final = 2_048
_RFC3339: Final[ColumnElement[str]] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'""")
_SCOPES: Final = "scopes"
_LIMIT: Final = "limit"
_ORGANIZATION: Final = "organization_id"


@dataclass(frozen=True, slots=True, eq=False)
class ListView:
    """`source` has rows of many organizations, `shown` the fields of an item by name. `filters` are conditions by the
    name of the value they take. With `labels`, readers whose permission is scoped see what is in scope only."""

    permission: str
    source: FromClause
    organization_id: ColumnElement[Any]
    shown: Mapping[str, ColumnElement[Any]]
    key: Sequence[ColumnElement[Any]]
    newest_first: bool = False
    labels: ColumnElement[Any] | None = None
    filters: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    always: Sequence[ColumnElement[bool]] = ()

    def question(
        self,
        ctx: Context,
        *,
        limit: int,
        after: Sequence[object] | None = None,
        where: Mapping[str, object] | None = None,
    ) -> Question:
        """`after` is the key that the page before ended with. Values that are None leave a filter out. Raises
        DeniedError."""
        values: dict[str, object] = {_ORGANIZATION: ctx.organization_id, _LIMIT: limit}
        if self.labels is None:
            require(ctx, self.permission)
        else:
            require_somewhere(ctx, self.permission)
            scopes = scopes_of(ctx, self.permission)
            if scopes is not None:
                values[_SCOPES] = [dict(scope) for scope in scopes]
        values.update((f"after_{number}", part) for number, part in enumerate(after or ()))
        values.update((name, value) for name, value in (where or {}).items() if value is not None)
        return Question(ctx.organization_id, _statement(self, frozenset(values)), values)


def columns_of(table: FromClause, names: Sequence[str]) -> dict[str, ColumnElement[Any]]:
    return {name: table.c[name] for name in names}


@lru_cache(_STATEMENTS)
def _statement(view: ListView, given: frozenset[str]) -> Select[Any]:
    """The page is cut first and written as JSON after: nothing is written that is not sent."""
    page = _rows(view, given).subquery("page")
    keys = [page.c[name] for name in _key_names(view)]
    item = select(*(_shown(page.c[name]).label(name) for name in view.shown)).correlate(page).lateral("item")
    written: Select[Any] = select(func.row_to_json(literal_column("item")), *keys)
    return written.select_from(page.join(item, true())).order_by(*(_directed(view, key) for key in keys))


def _rows(view: ListView, given: frozenset[str]) -> Select[Any]:
    keys = [key.label(name) for key, name in zip(view.key, _key_names(view), strict=True)]
    wanted: Select[Any] = select(*(column.label(name) for name, column in view.shown.items()), *keys)
    wanted = wanted.select_from(view.source).where(view.organization_id == bindparam(_ORGANIZATION), *view.always)
    if _SCOPES in given and view.labels is not None:
        scopes = func.jsonb_array_elements(bindparam(_SCOPES, type_=view.labels.type)).table_valued("value")
        wanted = wanted.where(select(1).where(view.labels.contains(scopes.c.value)).exists())
    if "after_0" in given:
        place = [bindparam(f"after_{number}", type_=key.type) for number, key in enumerate(view.key)]
        here = tuple_(*view.key) if len(view.key) > 1 else view.key[0]
        there = tuple_(*place) if len(place) > 1 else place[0]
        wanted = wanted.where(here < there if view.newest_first else here > there)
    wanted = wanted.where(*(condition for name, condition in view.filters.items() if name in given))
    return wanted.order_by(*(_directed(view, key) for key in view.key)).limit(bindparam(_LIMIT))


def _key_names(view: ListView) -> list[str]:
    return [f"key_{number}" for number in range(len(view.key))]


def _directed(view: ListView, key: ColumnElement[Any]) -> ColumnElement[Any]:
    return key.desc() if view.newest_first else key


def _shown(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """As JSON has it: instants in RFC 3339, UTC, with Z; no number for what JSON has no number for."""
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone(literal_column("'UTC'"), column), _RFC3339)
    if isinstance(column.type, Float):
        return case((func.abs(column) < literal_column("'Infinity'::float8"), column))
    return column
