"""Does a store's work one thing after the other, and keeps what it would not do."""

from collections.abc import Callable, Mapping
from datetime import datetime

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StrataError


def attempt_each(acts: Mapping[str, Callable[[], object]]) -> tuple[tuple[str, ...], dict[str, str]]:
    """What went well, and the reason for each that did not. One that fails keeps none of the others from their turn."""
    granted, refused = [], {}
    for name, act in acts.items():
        try:
            act()
        except StrataError as error:
            refused[name] = error.detail
        else:
            granted.append(name)
    return tuple(granted), refused


def seconds_ahead(clock: Clock, ask: Callable[[], datetime | None]) -> float | None:
    """Of our clock; the answer is taken to be from the middle of the time it took. None when the store does not say."""
    before = clock.now()
    try:
        theirs = ask()
    except StrataError:
        return None
    return None if theirs is None else (theirs - before - (clock.now() - before) / 2).total_seconds()
