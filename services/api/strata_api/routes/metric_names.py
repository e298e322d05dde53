"""Names to ask for: measurements, fields, tags and their values, of series that were sent."""

from dataclasses import asdict
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Query

from strata_api.deps import Access, requires
from strata_api.paging import Paged, Paging
from strata_api.schemas import Page, check_text
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.series.lookups import Sought, field_names, measurement_names, tag_names, tag_values
from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.limits import NAME_BYTES, QUERY_FILTERS, TAG_VALUE_BYTES

router = APIRouter(prefix="/api/v1/orgs/{org}/metrics", tags=["metrics"])
Name = Annotated[str | None, Query(min_length=1, max_length=NAME_BYTES)]


class Find(Protocol):
    def __call__(
        self, ctx: Context, uow: UnitOfWork, sought: Sought, *, limit: int, after: str | None
    ) -> list[str]: ...


def _page(access: Access, paged: Paging, name: str, sought: Sought, find: Find) -> Page[str]:
    listing = access.listing(paged, name, asdict(sought))
    with access.unit() as uow:
        found = find(access.ctx, uow, sought, limit=listing.fetch, after=listing.after(str))
    return listing.page(found, lambda each: each, lambda each: [each])


def _check(*texts: str) -> None:
    try:
        for text in texts:
            check_text(text)
    except ValueError as error:
        raise InvalidError(f"a name {error}", code="bad_filter") from None


async def _sought(
    measurement: Name = None,
    field: Name = None,
    prefix: Annotated[str, Query(max_length=TAG_VALUE_BYTES, description="What the names begin with.")] = "",
    tag: Annotated[
        list[str] | None, Query(max_length=QUERY_FILTERS, description="As `host=web1`; all of them.")
    ] = None,
) -> Sought:
    pairs = [each.partition("=") for each in tag or []]
    if not all(name and value for name, _, value in pairs):
        raise InvalidError(
            "this is not a tag", code="bad_filter", problems=[Problem("query/tag", "expected one like host=web1")]
        )
    sought = Sought(measurement, field, {name: value for name, _, value in pairs}, prefix)
    _check(measurement or "", field or "", prefix, *(part for name, _, value in pairs for part in (name, value)))
    return sought


SoughtIn = Annotated[Sought, Depends(_sought)]


@router.get("/measurements", operation_id="metric_measurements", summary="Measurements that were sent, by name")
def list_measurements(access: Annotated[Access, requires("metrics:read")], paged: Paged, sought: SoughtIn) -> Page[str]:
    """The catalogue tells more of each."""
    return _page(access, paged, "metric_measurements", sought, measurement_names)


@router.get("/fields", operation_id="metric_fields", summary="Fields that were sent, by name")
def list_fields(access: Annotated[Access, requires("metrics:read")], paged: Paged, sought: SoughtIn) -> Page[str]:
    return _page(access, paged, "metric_fields", sought, field_names)


@router.get("/tags", operation_id="metric_tags", summary="Tags that were sent, by name")
def list_tags(access: Annotated[Access, requires("metrics:read")], paged: Paged, sought: SoughtIn) -> Page[str]:
    return _page(access, paged, "metric_tags", sought, tag_names)


@router.get("/tag-values", operation_id="metric_tag_values", summary="Values that a tag was sent with, in order")
def list_tag_values(
    access: Annotated[Access, requires("metrics:read")],
    paged: Paged,
    sought: SoughtIn,
    key: Annotated[str, Query(min_length=1, max_length=NAME_BYTES, description="The tag.")],
) -> Page[str]:
    _check(key)

    def find(ctx: Context, uow: UnitOfWork, sought: Sought, *, limit: int, after: str | None) -> list[str]:
        return tag_values(ctx, uow, key, sought, limit=limit, after=after)

    return _page(access, paged, f"metric_tag_values {key}", sought, find)
