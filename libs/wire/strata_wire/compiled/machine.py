"""What compiled code needs of the machine: reads at an address, wide products, the bits of a double."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray
from platformdirs import user_cache_path

F = TypeVar("F", bound=Callable[..., Any])
Integers = NDArray[np.int32]
Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]


def _keep_compiled_code() -> bool:
    """Where machine code outlives the process. numba looks only at the file of a function for changes, not at those
    of the functions that it calls: so what is kept goes by the text of them all."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    directory = user_cache_path("strata") / "compiled" / digest[:16]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    numba.config.CACHE_DIR = str(directory)  # type: ignore[attr-defined]
    return True


_IS_KEPT: Final = _keep_compiled_code()


def compiled(function: F) -> F:
    """Machine code that runs without the interpreter's lock."""
    return cast("F", numba.njit(cache=_IS_KEPT, nogil=True, error_model="numpy", boundscheck=False)(function))


@intrinsic
def _byte_at(typing_context: Any, address: Any) -> Any:
    """The byte at an address, as a signed number from 0 to 255."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(pointer), ir.IntType(64))

    return types.int64(types.int64), build


@intrinsic
def _word_at(typing_context: Any, address: Any) -> Any:
    """Eight bytes at any address, the first the lowest."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(types.int64), build


@intrinsic
def _int_at(typing_context: Any, address: Any, index: Any) -> Any:
    """Entry `index` of the 32-bit integers at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.gep(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()), [arguments[1]])
        return builder.sext(builder.load(pointer), ir.IntType(64))

    return types.int64(types.int64, types.int64), build


@intrinsic
def _put_int(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.gep(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()), [arguments[1]])
        builder.store(builder.trunc(arguments[2], ir.IntType(32)), pointer)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@intrinsic
def _long_at(typing_context: Any, address: Any, index: Any) -> Any:
    """Entry `index` of the 64-bit integers at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.gep(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), [arguments[1]])
        return builder.load(pointer)

    return types.int64(types.int64, types.int64), build


@intrinsic
def _put_long(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.gep(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), [arguments[1]])
        builder.store(arguments[2], pointer)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@intrinsic
def _put_double(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.gep(builder.inttoptr(arguments[0], ir.DoubleType().as_pointer()), [arguments[1]])
        builder.store(arguments[2], pointer)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), build


@intrinsic
def _high_product(typing_context: Any, left: Any, right: Any) -> Any:
    """The upper half of the 128-bit product."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), build


@intrinsic
def _leading_zeros(typing_context: Any, number: Any) -> Any:
    """Of a number that is not zero."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


@intrinsic
def _double_of_bits(typing_context: Any, bits: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), build


@compiled
def signed(number: np.uint64) -> int:
    return int(np.int64(number))


# What each of them takes and gives, for whoever reads or checks the code that calls them.
byte_at = cast("Callable[[int], int]", _byte_at)
word_at = cast("Callable[[int], np.uint64]", _word_at)
int_at = cast("Callable[[int, int], int]", _int_at)
put_int = cast("Callable[[int, int, int], None]", _put_int)
long_at = cast("Callable[[int, int], int]", _long_at)
put_long = cast("Callable[[int, int, int], None]", _put_long)
put_double = cast("Callable[[int, int, float], None]", _put_double)
high_product = cast("Callable[[np.uint64, np.uint64], np.uint64]", _high_product)
leading_zeros = cast("Callable[[np.uint64], np.uint64]", _leading_zeros)
double_of_bits = cast("Callable[[np.uint64], float]", _double_of_bits)
