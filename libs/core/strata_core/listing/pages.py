"""A page of rows by their key: bounded, and from where the page before it ended."""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, Select

S = TypeVar("S", bound=Select[*tuple[Any, ...]])


def oldest_first(wanted: S, key: ColumnElement[Any], *, after: object, limit: int) -> S:
    """The first page without `after`. Keys that are ids are in the order of creation."""
    if after is not None:
        wanted = wanted.where(key > after)
    return wanted.order_by(key).limit(limit)


def newest_first(wanted: S, key: ColumnElement[Any], *, before: object, limit: int) -> S:
    if before is not None:
        wanted = wanted.where(key < before)
    return wanted.order_by(key.desc()).limit(limit)


def as_asked(table: FromClause, **values: object) -> list[ColumnElement[bool]]:
    """Filters by columns of the table; None asks for nothing."""
    return [table.c[name] == value for name, value in values.items() if value is not None]
