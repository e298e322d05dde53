"""The values of an event that a search can name, as terms that are the same in every store."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from strata_datamodel.limits import LOG_ATTRIBUTES, LOG_KEYWORD_BYTES
from strata_datamodel.logs import LogEvent

FIXED_NAMES: Final = ("level", "host_id", "service_id", "stream")
TREE_NAMES: Final = ("tags", "metadata")
_BYTES_A_CHARACTER: Final = 4


def attribute_terms(event: LogEvent) -> list[str]:
    """`name=value` for each value; those too long to be a keyword, and tags and metadata past LOG_ATTRIBUTES, are not
    found by a search."""
    terms = [
        f"level={event.level.value}",
        f"host_id={event.host_id}",
        f"service_id={event.service_id}",
        f"stream={event.stream}",
    ]
    for key, value in event.tags.items():
        terms.append(f"tags.{_escaped(key)}={value}")
    for key, leaf in event.metadata.items():
        if type(leaf) is str:
            terms.append(f"metadata.{_escaped(key)}={leaf}")
        else:
            terms.extend(islice(_leaf_terms(f"metadata.{_escaped(key)}", leaf), LOG_ATTRIBUTES))
    del terms[len(FIXED_NAMES) + LOG_ATTRIBUTES :]
    if max(map(len, terms)) * _BYTES_A_CHARACTER > LOG_KEYWORD_BYTES:
        return [term for term in terms if len(term.encode(errors="surrogatepass")) <= LOG_KEYWORD_BYTES]
    return terms


def attribute_term(name: str, value: str) -> str | None:
    """The term to look for; for a prefix, terms that begin with it. None when no event can have it."""
    term = f"{_escaped(name)}={value}"
    return term if len(term.encode(errors="surrogatepass")) <= LOG_KEYWORD_BYTES else None


def is_attribute(name: str) -> bool:
    """Whether a filter may name it."""
    root, dot, rest = name.partition(".")
    return name in FIXED_NAMES or (root in TREE_NAMES and bool(dot) and bool(rest))


def _escaped(name: str) -> str:
    """No name and value can pass for another name and value."""
    return name if "=" not in name and "\\" not in name else name.replace("\\", "\\\\").replace("=", "\\=")


def _leaf_terms(root: str, tree: object) -> Iterator[str]:
    # A stack of our own: how deep a client nests must not decide how deep we recurse.
    branches: list[Iterator[tuple[str, object]]] = [iter([(root, tree)])]
    while branches:
        entry = next(branches[-1], None)
        if entry is None:
            branches.pop()
            continue
        name, node = entry
        if len(name) > LOG_KEYWORD_BYTES:
            continue
        if isinstance(node, dict):
            branches.append(_named_children(name, node))
        elif isinstance(node, (list, tuple)):
            branches.append(_same_named_children(name, node))
        elif node is not None:
            yield f"{name}={_text_of(node)}"


def _named_children(name: str, node: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    return ((f"{name}.{_escaped(key)}", value) for key, value in node.items())


def _same_named_children(name: str, node: Sequence[object]) -> Iterator[tuple[str, object]]:
    return ((name, value) for value in node)


def _text_of(leaf: object) -> str:
    if isinstance(leaf, bool):
        return "true" if leaf else "false"
    return str(leaf)
