"""Lists show what is in scope, and nothing of the rest."""

from typing import Any

from sqlalchemy import ColumnElement, false, or_, true

from strata_core.access.rules import scopes_of
from strata_core.context import Context


def within(ctx: Context, permission: str, labels: ColumnElement[Any]) -> ColumnElement[bool]:
    """Of a statement over rows whose `labels` are JSON: those for which the permission is held."""
    scopes = scopes_of(ctx, permission)
    if scopes is None:
        return true()
    return or_(false(), *(labels.contains(dict(scope)) for scope in scopes))
