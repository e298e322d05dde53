"""The one place that makes tantivy queries. Nothing is parsed: every value becomes a term as it is."""

import re
from typing import Final, assert_never

from tantivy import Occur, Query

from strata_core.logs.attributes import attribute_term
from strata_core.logs.words import words_of
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import And, AttributeHolds, FieldIs, LogFilter, MatchAll, Not, Or, Text
from strata_stores.tantivy.schema import ATTRIBUTES, FIELD_TYPES, ID_LOW, ORGANIZATION, SCHEMA, TIMESTAMP, WORDS

_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$#&~-])")


def events_that_match(organization_id: OrganizationId, where: LogFilter) -> Query:
    """Entities too, whose schema begins as that of events does."""
    return of_organization(organization_id, _compiled(where))


def within(from_ns: int, to_ns: int) -> Query:
    """from_ns <= timestamp < to_ns."""
    return Query.range_query(
        SCHEMA, TIMESTAMP, FIELD_TYPES[TIMESTAMP], from_ns, to_ns, include_lower=True, include_upper=False
    )


def events_with_ids(organization_id: OrganizationId, low_halves: list[int]) -> Query:
    """Events that may have these ids: the high halves are not looked at."""
    return of_organization(organization_id, Query.term_set_query(SCHEMA, ID_LOW, low_halves))


def of_organization(organization_id: OrganizationId, *narrowed_by: Query) -> Query:
    """Every query of events passes here."""
    return _all_of((Query.term_query(SCHEMA, ORGANIZATION, str(organization_id), index_option="basic"), *narrowed_by))


def narrowed(query: Query, *by: Query) -> Query:
    return _all_of((query, *by)) if by else query


def excluding(query: Query, excluded: Query) -> Query:
    return Query.boolean_query([(Occur.Must, query), (Occur.MustNot, excluded)])


def equal(field: str, value: int) -> Query:
    return Query.range_query(SCHEMA, field, FIELD_TYPES[field], value, value)


def beyond(field: str, value: int, *, descending: bool) -> Query:
    """What comes after the value in this order."""
    if descending:
        return Query.range_query(SCHEMA, field, FIELD_TYPES[field], None, value, include_upper=False)
    return Query.range_query(SCHEMA, field, FIELD_TYPES[field], value, None, include_lower=False)


def _compiled(where: LogFilter) -> Query:  # noqa: PLR0911 - one answer a kind
    match where:
        case MatchAll():
            return Query.all_query()
        case Text():
            return _text(where)
        case FieldIs():
            return _attribute(where)
        case AttributeHolds():
            escaped = _SPECIAL.sub(r"\\\1", where.text)
            return Query.regex_query(SCHEMA, ATTRIBUTES, f"(?is).*{escaped}.*")
        case And():
            return _all_of(tuple(_compiled(part) for part in where.parts))
        case Or():
            return Query.boolean_query([(Occur.Should, _compiled(part)) for part in where.parts])
        case Not():
            # A query with nothing but exclusions matches nothing in tantivy.
            return Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, _compiled(where.part))])
        case _:
            assert_never(where)


def _text(text: Text) -> Query:
    words = words_of(text.words)
    if text.phrase and len(words) > 1:
        return Query.phrase_query(SCHEMA, WORDS, list(words))
    return _all_of(tuple(Query.term_query(SCHEMA, WORDS, word, index_option="basic") for word in dict.fromkeys(words)))


def _attribute(attribute: FieldIs) -> Query:
    term = attribute_term(attribute.name, attribute.value)
    if term is None:
        return Query.empty_query()
    if attribute.prefix:
        # At distance 0 this is a prefix query, and unlike the regex one it has no syntax that a value could use.
        return Query.fuzzy_term_query(SCHEMA, ATTRIBUTES, term, distance=0, prefix=True)
    return Query.term_query(SCHEMA, ATTRIBUTES, term, index_option="basic")


def _all_of(parts: tuple[Query, ...]) -> Query:
    if not parts:
        return Query.all_query()
    return parts[0] if len(parts) == 1 else Query.boolean_query([(Occur.Must, part) for part in parts])
