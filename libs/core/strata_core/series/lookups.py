"""Names that the organization's series have: for whoever writes a question."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, literal, select

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.series import metric_series

_s = metric_series.c


@dataclass(frozen=True, slots=True)
class Sought:
    """Of series with this measurement, field and all these tags; names that begin so. None asks for any."""

    measurement: str | None
    field: str | None
    tags: Mapping[str, str]
    prefix: str


def measurement_names(ctx: Context, uow: UnitOfWork, sought: Sought, *, limit: int, after: str | None) -> list[str]:
    return _names(ctx, uow, _s.measurement, sought, limit, after)


def field_names(ctx: Context, uow: UnitOfWork, sought: Sought, *, limit: int, after: str | None) -> list[str]:
    return _names(ctx, uow, _s.field, sought, limit, after)


def tag_names(ctx: Context, uow: UnitOfWork, sought: Sought, *, limit: int, after: str | None) -> list[str]:
    return _names(ctx, uow, func.jsonb_object_keys(_s.tags), sought, limit, after)


def tag_values(ctx: Context, uow: UnitOfWork, tag: str, sought: Sought, *, limit: int, after: str | None) -> list[str]:
    return _names(ctx, uow, _s.tags[tag].astext, sought, limit, after)


def _names(
    ctx: Context, uow: UnitOfWork, name: ColumnElement[str], sought: Sought, limit: int, after: str | None
) -> list[str]:
    """In order, each once."""
    require(ctx, "metrics:read")
    conditions = [_s.organization_id == uow.organization_id]
    if sought.measurement is not None:
        conditions.append(_s.measurement == sought.measurement)
    if sought.field is not None:
        conditions.append(_s.field == sought.field)
    if sought.tags:
        conditions.append(_s.tags.contains(dict(sought.tags)))
    found = select(name.label("name")).where(*conditions).subquery()
    wanted = [found.c.name.is_not(None), func.starts_with(found.c.name, literal(sought.prefix))]
    if after is not None:
        wanted.append(found.c.name > after)
    statement = select(found.c.name).distinct().where(*wanted).order_by(found.c.name).limit(limit)
    return list(uow.execute(statement).scalars())
