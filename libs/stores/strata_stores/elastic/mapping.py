"""What an index of a day looks like, and how an event becomes a document of it."""

from typing import Any, Final

import msgspec

from strata_core.logs.attributes import attribute_terms
from strata_core.logs.words import spaced_words
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import LogEvent

ORGANIZATION: Final = "organization_id"
TIMESTAMP: Final = "timestamp_ns"
EVENT_ID: Final = "event_id"
WORDS: Final = "words"
ATTRIBUTES: Final = "attributes"
MADE_FOR_SEARCH: Final = [WORDS, ATTRIBUTES]
"""Left out of the kept source: they can be made again from the rest."""

# The built-in template for data streams matches logs-*-* at 100; ours must win, or no index could be made.
_PRIORITY: Final = 500
# Lucene refuses a whole document for one term over 32,766 bytes; this many UTF-16 units are never more.
_KEYWORD: Final = {"type": "keyword", "ignore_above": 8191}
_KEPT_ONLY: Final = {"type": "object", "enabled": False}

_encode: Final = msgspec.json.Encoder().encode


def index_template(pattern: str) -> dict[str, Any]:
    return {
        "index_patterns": [pattern],
        "priority": _PRIORITY,
        "template": {
            "settings": {
                "number_of_shards": 1,
                "auto_expand_replicas": "0-1",
                # Said, though it is the default: an index that is told nothing stops refreshing when nobody searches.
                "refresh_interval": "1s",
            },
            "mappings": {
                "dynamic": "strict",
                "_source": {"excludes": MADE_FOR_SEARCH},
                "properties": _PROPERTIES,
            },
        },
    }


# Nothing here grows with what clients send: tags and metadata are kept as they are, and found through `attributes`.
_PROPERTIES: Final[dict[str, Any]] = {
    ORGANIZATION: {"type": "keyword"},
    EVENT_ID: {"type": "keyword"},
    TIMESTAMP: {"type": "long"},
    "@timestamp": {"type": "date", "format": "epoch_millis"},
    "day": {"type": "keyword", "index": False, "doc_values": False},
    "message": _KEYWORD,
    WORDS: {"type": "text", "analyzer": "whitespace", "norms": False},
    ATTRIBUTES: {"type": "keyword", "doc_values": False},
    "level": _KEYWORD,
    "host_id": _KEYWORD,
    "service_id": _KEYWORD,
    "stream": _KEYWORD,
    "tags": _KEPT_ONLY,
    "metadata": _KEPT_ONLY,
}


def document_id(organization_id: OrganizationId, event_id: str) -> str:
    """Begins with the event's id, which rises with time: look-ups of such ids stay cheap as an index grows."""
    return f"{event_id}{organization_id.hex}"


def document_of(organization_id: OrganizationId, event: LogEvent, encoded: bytes) -> bytes:
    """The event's own JSON with what searching needs put in front."""
    for_search = _encode(
        {
            ORGANIZATION: str(organization_id),
            "@timestamp": event.timestamp_ns // 1_000_000,
            WORDS: spaced_words(event.message),
            ATTRIBUTES: attribute_terms(event),
        }
    )
    return b"".join((for_search[:-1], b",", encoded[1:]))
