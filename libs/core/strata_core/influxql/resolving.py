"""A SELECT with its sources found, its wildcards written out and every name known for a field or a tag."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from strata_core.influxql.catalogue import Catalogue, Table
from strata_core.influxql.columns import BOOLEAN, FLOAT, INTEGER, STRING
from strata_core.influxql.conditions import MATH, folded
from strata_core.influxql.functions import check_kind
from strata_core.influxql.refusals import QueryError, not_supported, too_much
from strata_core.influxql.syntax import (
    Binary,
    Boolean,
    Call,
    Expr,
    Field,
    Integer,
    Measurement,
    Number,
    Paren,
    Ref,
    Regex,
    Select,
    Subquery,
    Text,
    Wildcard,
    text_of,
    walk,
)
from strata_core.series.selecting import matches
from strata_datamodel.limits import INFLUXQL_COLUMNS

TAG = "tag"
_ANY = frozenset({"count", "first", "last", "distinct", "elapsed", "mode"})
_TRUTHS = _ANY | {"min", "max"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """`select` has neither wildcards nor regexes any more, but for values."""

    select: Select
    sources: tuple["Table | Resolved", ...]
    dimensions: tuple[str, ...]
    """Tags that it is grouped by, sorted, each once."""
    columns: tuple[str, ...]
    """Names of what it answers, without the time."""
    kinds: tuple[str | None, ...]

    def kind(self, name: str) -> str | None:
        """Of a name among its sources: a kind, or that it is a tag."""
        return kind_among(self.sources, name)


def kind_among(sources: Sequence[Table | Resolved], name: str) -> str | None:
    for source in sources:
        if isinstance(source, Table):
            kind = source.kind(name)
        elif name in source.columns:
            kind = source.kinds[source.columns.index(name)]
        else:
            kind = TAG if name in source.dimensions else None
        if kind is not None:
            return kind
    return None


def resolved(select: Select, catalogue: Catalogue) -> Resolved:
    """Raises QueryError, LimitError, InvalidError."""
    sources: list[Table | Resolved] = [
        resolved(source.select, catalogue) for source in select.sources if isinstance(source, Subquery)
    ]
    measurements = [source for source in select.sources if isinstance(source, Measurement)]
    if measurements:
        sources += catalogue.tables(measurements)
    for expr in (*(field.expr for field in select.fields), *([select.condition] if select.condition else [])):
        _check_casts(expr, sources)
    fields, tags = dict[str, str](), set[str]()
    group_all = any(isinstance(each, Wildcard | Regex) for each in select.dimensions)
    if group_all or any(_is_open(field.expr) for field in select.fields):
        fields, tags = _known(sources, catalogue)
    dimensions = _dimensions(select.dimensions, tags)
    own_tags = set() if group_all else tags - set(dimensions)
    plain = [Field(folded(field.expr), field.alias) for field in select.fields]
    expanded = [each for field in plain for each in _expanded(field, fields, own_tags)]
    kept = [field for field in expanded if not (isinstance(field.expr, Ref) and field.expr.name == "time")]
    if len(kept) > INFLUXQL_COLUMNS:
        raise too_much("columns of an answer", INFLUXQL_COLUMNS, "name the fields that you need")
    found = replace(select, fields=tuple(kept))
    kinds = tuple(_kind(field.expr, sources) for field in kept)
    flat = [kind for field, kind in zip(kept, kinds, strict=True) for kind in (kind, *(TAG for _ in extras(field)))]
    return Resolved(found, tuple(sources), tuple(sorted(dimensions)), tuple(_column_names(kept)), tuple(flat))


def _check_casts(expr: Expr, sources: Sequence[Table | Resolved]) -> None:
    for node in walk(expr):
        if isinstance(node, Ref) and node.cast not in {None, "field"}:
            kind = kind_among(sources, node.name) or TAG
            if node.cast != kind:
                raise not_supported(f"{text_of(node)}, which is a {kind}")


def extras(field: Field) -> tuple[Ref, ...]:
    """Columns that come with `top` and `bottom`."""
    match field.expr:
        case Call(name=("top" | "bottom"), args=args):
            return tuple(arg for arg in args[1:-1] if isinstance(arg, Ref))
        case _:
            return ()


def time_column(select: Select) -> str:
    return next(
        (f.alias for f in select.fields if isinstance(f.expr, Ref) and f.expr.name == "time" and f.alias), "time"
    )


def _is_open(expr: Expr) -> bool:
    match expr:
        case Wildcard() | Regex():
            return True
        case Call(args=(first, *_)):
            return _is_open(first)
        case _:
            return False


def _known(sources: Sequence[Table | Resolved], catalogue: Catalogue) -> tuple[dict[str, str], set[str]]:
    """Fields with their kinds, and tags, of all sources."""
    fields, tags = dict[str, str](), set[str]()
    keys: Mapping[str, set[str]] = catalogue.tag_keys([each.name for each in sources if isinstance(each, Table)])
    for source in sources:
        if isinstance(source, Table):
            for name in source.fields:
                fields.setdefault(name, source.kind(name) or FLOAT)
            tags |= keys.get(source.name, set())
        else:
            for name, kind in zip(source.columns, source.kinds, strict=True):
                if kind == TAG:
                    tags.add(name)
                elif kind is not None:
                    fields.setdefault(name, kind)
            tags |= set(source.dimensions)
    return fields, tags


def _dimensions(dimensions: Sequence[Expr], tags: set[str]) -> set[str]:
    found = set[str]()
    for each in dimensions:
        match each:
            case Ref(name=name):
                found.add(name)
            case Wildcard():
                found |= tags
            case Regex(pattern=pattern):
                found |= _meant(pattern, tags)
            case _:
                continue
    return found


def _meant(pattern: str, names: set[str]) -> set[str]:
    listed = sorted(names)
    return {name for name, is_meant in zip(listed, matches(pattern, listed), strict=True) if is_meant}


def _expanded(field: Field, fields: Mapping[str, str], tags: set[str]) -> Iterator[Field]:
    match field.expr:
        case Wildcard(only=only):
            names = (set() if only == "tag" else set(fields)) | (set() if only == "field" or not fields else tags)
            yield from (Field(Ref(name)) for name in sorted(names))
        case Regex(pattern=pattern):
            yield from (Field(Ref(name)) for name in sorted(_meant(pattern, set(fields) | tags)))
        case Call() if _is_open(field.expr):
            yield from _expanded_call(field, field.expr, fields)
        case Binary() as expr if any(isinstance(node, Wildcard) for node in walk(expr)):
            raise QueryError(f"unsupported expression with wildcard: {text_of(expr)}")
        case _:
            yield field


def _expanded_call(field: Field, call: Call, fields: Mapping[str, str]) -> Iterator[Field]:
    inner = call
    while isinstance(inner.args[0], Call):
        inner = inner.args[0]
    open_part = inner.args[0]
    if isinstance(open_part, Wildcard) and open_part.only == "tag":
        raise QueryError(f"unable to use tag wildcard in {inner.name}()")
    kinds = {FLOAT, INTEGER}
    kinds |= {BOOLEAN} if inner.name in _TRUTHS else set()
    kinds |= {STRING} if inner.name in _ANY else set()
    names = {name for name, kind in fields.items() if kind in kinds}
    if isinstance(open_part, Regex):
        names = _meant(open_part.pattern, names)
    for name in sorted(names):
        yield Field(_with_ref(call, name), f"{field.name}_{name}")


def _with_ref(call: Call, name: str) -> Call:
    first = call.args[0]
    argument = _with_ref(first, name) if isinstance(first, Call) else Ref(name)
    return Call(call.name, (argument, *call.args[1:]))


def _column_names(fields: Sequence[Field]) -> list[str]:
    """Aliases as they are; what has the name of another before it gets a number."""
    columns = [each for field in fields for each in (field, *(Field(ref) for ref in extras(field)))]
    names = {column.alias: 1 for column in columns if column.alias}
    found = []
    for column in columns:
        if column.alias:
            found.append(column.alias)
            continue
        name = column.name
        if name in names:
            count = names[name]
            while f"{name}_{count}" in names:
                count += 1
            names[name] = count + 1
            name = f"{name}_{count}"
        names[name] = names.get(name, 0) + 1
        found.append(name)
    return found


def _kind(expr: Expr, sources: Sequence[Table | Resolved]) -> str | None:  # noqa: PLR0911 - one a kind
    """Of what an expression tells. Raises QueryError for what cannot be reckoned."""
    match expr:
        case Ref(name=name, cast=cast):
            kind = kind_among(sources, name)
            return TAG if cast == "tag" or (kind is None and cast is None) else kind
        case Paren(inner=inner):
            return _kind(inner, sources)
        case Integer():
            return INTEGER
        case Number():
            return FLOAT
        case Text():
            return STRING
        case Boolean():
            return BOOLEAN
        case Binary(op=op, left=left, right=right):
            return _kind_of_both(_typed(expr, sources), op, _kind(left, sources), _kind(right, sources))
        case Call(name=name, args=args) if name in MATH:
            return _kind_of_math(name, [_kind(arg, sources) for arg in args])
        case Call(name=name, args=args):
            return _kind_of_call(name, args, sources)
        case _:
            return None


def _typed(expr: Expr, sources: Sequence[Table | Resolved]) -> Expr:
    """With the kind of each field, as messages tell it."""
    match expr:
        case Ref(name=name, cast=cast):
            return Ref(name, cast or kind_among(sources, name))
        case Binary(op=op, left=left, right=right):
            return Binary(op, _typed(left, sources), _typed(right, sources))
        case Paren(inner=inner):
            return Paren(_typed(inner, sources))
        case Call(name=name, args=args):
            return Call(name, tuple(_typed(arg, sources) for arg in args))
        case _:
            return expr


def _kind_of_both(expr: Expr, op: str, left: str | None, right: str | None) -> str | None:
    left, right = (None if each == TAG else each for each in (left, right))
    if left is None or right is None:
        return left or right
    if {left, right} <= {FLOAT, INTEGER}:
        if op in {"&", "|", "^"} and FLOAT in {left, right}:
            raise QueryError(f"type error: {text_of(expr)}: incompatible types: {left} and {right}")
        return INTEGER if left == right == INTEGER and op != "/" else FLOAT
    if left == right == BOOLEAN and op in {"&", "|", "^"}:
        return BOOLEAN
    raise QueryError(f"type error: {text_of(expr)}: incompatible types: {left} and {right}")


def _kind_of_math(name: str, kinds: Sequence[str | None]) -> str | None:
    for kind, place in zip(kinds, ("first", "second"), strict=False):
        if kind in {STRING, BOOLEAN, TAG}:
            raise QueryError(f"invalid argument type for the {place} argument in {name}(): {kind}")
    return kinds[0] if name in {"abs", "floor", "ceil", "round"} else FLOAT


def _kind_of_call(name: str, args: Sequence[Expr], sources: Sequence[Table | Resolved]) -> str | None:
    kind = _kind(args[0], sources) if args else None
    if kind == TAG:
        kind = None
    if kind is not None:
        check_kind(name, kind)
    if name in {"count", "elapsed"}:
        return None if kind is None else INTEGER
    if name in {"first", "last", "min", "max", "mode", "distinct", "percentile", "top", "bottom", "sum", "spread"}:
        return kind
    if name.endswith("difference") or name == "cumulative_sum":
        return kind
    return None if kind is None else FLOAT
