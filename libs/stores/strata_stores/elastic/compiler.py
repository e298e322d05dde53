"""The one place that makes Elasticsearch queries. Nothing is parsed: every value becomes a term as it is."""

import re
from typing import Any, Final, assert_never

from strata_core.logs.attributes import attribute_term
from strata_core.logs.words import words_of
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import And, AttributeHolds, FieldIs, LogFilter, LogSearch, MatchAll, Not, Or, Text
from strata_stores.elastic.mapping import ATTRIBUTES, EVENT_ID, ORGANIZATION, TIMESTAMP, WORDS

Query = dict[str, Any]

_ALL: Final[Query] = {"match_all": {}}
_NONE: Final[Query] = {"match_none": {}}
_WILD: Final = re.compile(r"([\\*?])")


def of_organization(organization_id: OrganizationId, *narrowed_by: Query) -> Query:
    """Every query of events and of entities passes here."""
    return {"bool": {"filter": [{"term": {ORGANIZATION: {"value": str(organization_id)}}}, *narrowed_by]}}


def events_of(search: LogSearch) -> Query:
    in_time = {"range": {TIMESTAMP: {"gte": search.from_ns, "lt": search.to_ns}}}
    return of_organization(search.organization_id, in_time, compiled(search.where))


def events_that_match(organization_id: OrganizationId, where: LogFilter) -> Query:
    return of_organization(organization_id, compiled(where))


def sorting(search: LogSearch) -> list[Query]:
    # Said to be a long even where no index exists yet that could tell.
    return [
        {TIMESTAMP: {"order": search.order.value, "unmapped_type": "long"}},
        {EVENT_ID: {"order": search.order.value, "unmapped_type": "keyword"}},
    ]


def compiled(where: LogFilter) -> Query:  # noqa: PLR0911 - one answer a kind
    match where:
        case MatchAll():
            return _ALL
        case Text():
            return _text(where)
        case FieldIs():
            return _attribute(where)
        case AttributeHolds():
            escaped = _WILD.sub(r"\\\1", where.text)
            return {"wildcard": {ATTRIBUTES: {"value": f"*{escaped}*", "case_insensitive": True}}}
        case And():
            return _all_of([compiled(part) for part in where.parts])
        case Or():
            return _any_of([compiled(part) for part in where.parts])
        case Not():
            return {"bool": {"must_not": [compiled(where.part)]}}
        case _:
            assert_never(where)


def _attribute(attribute: FieldIs) -> Query:
    term = attribute_term(attribute.name, attribute.value)
    if term is None:
        return _NONE
    return {"prefix" if attribute.prefix else "term": {ATTRIBUTES: {"value": term}}}


def _text(text: Text) -> Query:
    words = words_of(text.words)
    if text.phrase and len(words) > 1:
        return {"match_phrase": {WORDS: {"query": " ".join(words)}}}
    return _all_of([{"term": {WORDS: {"value": word}}} for word in dict.fromkeys(words)])


def _all_of(parts: list[Query]) -> Query:
    return {"bool": {"filter": parts}} if parts else _ALL


def _any_of(parts: list[Query]) -> Query:
    return {"bool": {"should": parts, "minimum_should_match": 1}} if parts else _NONE
