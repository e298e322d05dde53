"""Both sides of a bucket, in parts that fit in memory."""

from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from strata_datamodel.limits import COMPARED_AT_ONCE
from strata_datamodel.search import Held, Wanted


def windows(
    held_after: Callable[[UUID | None], Sequence[Held]],
    wanted_after: Callable[[UUID | None], Sequence[Wanted]],
    page: int = COMPARED_AT_ONCE,
) -> Iterator[tuple[Sequence[Wanted], Sequence[Held]]]:
    """What both have between two ids, ascending, of pages of `page`. Of each id the index is read first: what
    PostgreSQL has more of by then changed within these moments. The other way round the index would seem ahead."""
    after: UUID | None = None
    while True:
        held = held_after(after)
        upto = held[-1].entity_id if len(held) >= page else None
        while True:
            wanted = wanted_after(after)
            end = _earlier(upto, wanted[-1].entity_id if len(wanted) >= page else None)
            yield (
                [one for one in wanted if end is None or one.entity_id <= end],
                [one for one in held if _is_between(after, one.entity_id, end)],
            )
            after = end
            if after == upto:
                break
        if upto is None:
            return


def _earlier(one: UUID | None, other: UUID | None) -> UUID | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _is_between(after: UUID | None, entity_id: UUID, upto: UUID | None) -> bool:
    return (after is None or entity_id > after) and (upto is None or entity_id <= upto)
