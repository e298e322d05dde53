"""What an organization can set for itself, and how it is checked."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, cast
from zoneinfo import available_timezones

import msgspec

from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.limits import ACCESS_LOG_DAYS, ACCESS_LOG_DAYS_MAX, NAME_LENGTH, SETTINGS_LABELS

_Text = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)]
_Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


class OrganizationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A setting that is left out has the value that stands here."""

    theme: Literal["system", "light", "dark"] = "system"
    timezone: Annotated[str, msgspec.Meta(max_length=64, description="An IANA name, as Europe/Berlin.")] = "UTC"
    locale: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$", description="As en or de-AT.")] = "en"
    week_starts_on: Literal["monday", "sunday", "saturday"] = "monday"
    support_contact: Annotated[_Text, msgspec.Meta(description="Shown to members who need help.")] = ""
    require_mfa: Annotated[bool, msgspec.Meta(description="Members come in with a second factor only.")] = False
    access_log_retention_days: Annotated[
        int, msgspec.Meta(ge=1, le=ACCESS_LOG_DAYS_MAX, description="How long it is kept who read what.")
    ] = ACCESS_LOG_DAYS
    relational_server_metrics: Annotated[
        bool, msgspec.Meta(description="Server metrics and errors are kept as rows of the relational store too.")
    ] = False
    labels: Annotated[
        dict[_Label, _Text], msgspec.Meta(max_length=SETTINGS_LABELS, description="Marks of your own.")
    ] = {}


def _schema() -> dict[str, object]:
    _, definitions = msgspec.json.schema_components([OrganizationSettings])
    return cast("dict[str, object]", definitions["OrganizationSettings"])


SCHEMA: Final = _schema()
"""As JSON Schema, for the API's description."""


def check_settings(document: Mapping[str, object]) -> dict[str, object]:
    """The settings without those that are as they would be anyway; raises InvalidError (code `bad_settings`)."""
    try:
        settings = msgspec.convert(document, OrganizationSettings)
    except msgspec.ValidationError as error:
        raise _refused(*_told(str(error))) from None
    zones = available_timezones()  # none at all on a system without the time zone database
    if zones and settings.timezone not in zones:
        raise _refused("/settings/timezone", "is not the name of a time zone")
    return cast("dict[str, object]", msgspec.to_builtins(settings))


def _told(text: str) -> tuple[str, str]:
    """msgspec tells the place at the end, as `... - at `$.labels[...]``."""
    reason, _, place = text.partition(" - at ")
    path = place.rpartition("`$")[2].strip("`").partition("[")[0]
    return f"/settings{path.replace('.', '/')}", reason


def _refused(where: str, reason: str) -> InvalidError:
    return InvalidError(
        "these settings cannot be used", code="bad_settings", problems=[Problem(where, reason)],
        hint="the schema of settings is in the OpenAPI document, at OrganizationPatch",
    )  # fmt: skip
