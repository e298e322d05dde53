"""The kinds of entities that are searched: the table that is their truth, and what of a row is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Table

from strata_core.logs.attributes import attribute_term
from strata_core.logs.words import spaced_words
from strata_core.search.checksums import unix_us
from strata_datamodel.search import SearchDocument
from strata_datamodel.tables.alerting import alerts

Row = Mapping[str, object]
ALERT: Final = "alert"
STORE: Final = "search"
"""What the index is called among stores."""

_ALERT_TEXTS: Final = ("summary", "description")
_ALERT_FIELDS: Final = ("severity", "status", "rule_id", "fingerprint", "acknowledged_by")


@dataclass(frozen=True, slots=True)
class Projection:
    """The table has `id`, its `bucket`, `updated_at`, and `version`, raised by each change that `document_of` shows."""

    kind: str
    table: Table
    document_of: Callable[[Row], SearchDocument]


def alert_search_document(row: Row) -> SearchDocument:
    """Found by its texts and the values of its labels, and by its fields."""
    labels = cast("Mapping[str, str]", row["labels"])
    words = spaced_words("\n".join([*(str(row[name]) for name in _ALERT_TEXTS), *map(str, labels.values())]))
    named = [(name, row[name]) for name in _ALERT_FIELDS] + [(f"labels.{key}", value) for key, value in labels.items()]
    terms = (attribute_term(name, str(value)) for name, value in named if value is not None)
    started_at = cast("datetime", row["started_at"])
    return SearchDocument(unix_ns(started_at), words, tuple(term for term in terms if term is not None))


def unix_ns(instant: datetime) -> int:
    return unix_us(instant) * 1_000


PROJECTIONS: Final[Mapping[str, Projection]] = {ALERT: Projection(ALERT, alerts, alert_search_document)}
