"""Stores for a contract, as many as a test asks for, each closed in the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Protocol, TypeVar


class Store(Protocol):
    def prepare(self) -> None: ...

    def close(self) -> None: ...


S = TypeVar("S", bound=Store)


@contextmanager
def prepared_stores(build: Callable[..., S]) -> Iterator[Callable[..., S]]:
    """`build` gets the number of the store, and the options it was asked for with."""
    numbers = count()
    with ExitStack() as stack:

        def new_store(**options: object) -> S:
            store = build(next(numbers), **options)
            stack.callback(store.close)
            store.prepare()
            return store

        yield new_store
