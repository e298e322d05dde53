"""The lists of hosts and of services."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, Text, bindparam, func

from strata_core.listing.views import ListView, columns_of
from strata_datamodel.inventory import Host, Service
from strata_datamodel.tables.inventory import hosts, services


def _filters(table: Table) -> dict[str, ColumnElement[bool]]:
    return {
        "status": table.c.status == bindparam("status", type_=Text),
        "environment": table.c.environment == bindparam("environment", type_=Text),
        "tag_key": table.c.tags.has_key(bindparam("tag_key", type_=Text)),
        "tag": table.c.tags.contains(bindparam("tag", type_=table.c.tags.type)),
        "name_prefix": func.starts_with(table.c.name, bindparam("name_prefix", type_=Text)),
    }


HOSTS: Final = ListView(
    permission="hosts:read",
    source=hosts,
    organization_id=hosts.c.organization_id,
    shown=columns_of(hosts, Host.__slots__),
    key=(hosts.c.name,),
    labels=hosts.c.tags,
    filters=_filters(hosts),
)
SERVICES: Final = ListView(
    permission="services:read",
    source=services,
    organization_id=services.c.organization_id,
    shown=columns_of(services, Service.__slots__),
    key=(services.c.name, services.c.id),
    labels=services.c.tags,
    filters={
        **_filters(services),
        "host_id": services.c.host_id == bindparam("host_id", type_=services.c.host_id.type),
    },
)


def tag_condition(text: str | None) -> Mapping[str, Any]:
    """Of a tag's key, or of `key:value`."""
    if text is None:
        return {}
    key, colon, value = text.partition(":")
    return {"tag": {key: value}} if colon else {"tag_key": key}
