"""Whether a filter finds a document, decided without a store: for what a store does not know of yet."""

from typing import assert_never

from strata_core.logs.attributes import attribute_term
from strata_core.logs.words import words_of
from strata_datamodel.logs import And, AttributeHolds, FieldIs, LogFilter, MatchAll, Not, Or, Text
from strata_datamodel.search import SearchDocument


def matches(where: LogFilter, document: SearchDocument) -> bool:  # noqa: PLR0911 - one answer a kind
    match where:
        case MatchAll():
            return True
        case Text():
            return _has_text(where, document.words.split())
        case FieldIs():
            return _has_attribute(where, document)
        case AttributeHolds():
            return any(where.text.casefold() in held.casefold() for held in document.attributes)
        case And():
            return all(matches(part, document) for part in where.parts)
        case Or():
            return any(matches(part, document) for part in where.parts)
        case Not():
            return not matches(where.part, document)
        case _:
            assert_never(where)


def _has_text(text: Text, held: list[str]) -> bool:
    wanted = list(words_of(text.words))
    if text.phrase:
        return any(held[at : at + len(wanted)] == wanted for at in range(len(held) - len(wanted) + 1))
    return set(wanted) <= set(held)


def _has_attribute(attribute: FieldIs, document: SearchDocument) -> bool:
    term = attribute_term(attribute.name, attribute.value)
    if term is None:
        return False
    if attribute.prefix:
        return any(held.startswith(term) for held in document.attributes)
    return term in document.attributes
