"""Decimal digits to the nearest double, as `float()` rounds: by one exact operation where that is possible, else by the
method of Eisel and Lemire. What neither settles is left to the caller."""

from typing import Final

import numpy as np

from strata_wire.compiled.machine import compiled, double_of_bits, high_product, leading_zeros

SMALLEST_POWER: Final = -80
GREATEST_POWER: Final = 80
_EXACT_POWER: Final = 22
_EXACT_MANTISSA: Final = np.uint64(1 << 53)
_ALL_ONES: Final = np.uint64((1 << 64) - 1)
_ONE: Final = np.uint64(1)


def _scaled_power(power: int) -> int:
    """The 128 leading bits of 5**power, cut off for whole powers and rounded up for fractions."""
    if power >= 0:
        value = int(5**power)
        shift = value.bit_length() - 128
        return value >> shift if shift > 0 else value << -shift
    divisor = int(5**-power)
    bits = (divisor - 1).bit_length()
    quotient = (1 << (bits + 127 if power >= -27 else 2 * bits + 128)) // divisor + 1
    return quotient >> max(0, quotient.bit_length() - 128)


_SCALED: Final = [_scaled_power(power) for power in range(SMALLEST_POWER, GREATEST_POWER + 1)]
_HIGH: Final = np.array([value >> 64 for value in _SCALED], np.uint64)
_LOW: Final = np.array([value & ((1 << 64) - 1) for value in _SCALED], np.uint64)
_EXACT: Final = np.array([float(10**power) for power in range(_EXACT_POWER + 1)], np.float64)


@compiled
def nearest_double(mantissa: np.uint64, power: int) -> tuple[bool, float]:
    """mantissa * 10**power for SMALLEST_POWER <= power <= GREATEST_POWER; False where it was not settled."""
    if mantissa <= _EXACT_MANTISSA and -_EXACT_POWER <= power <= _EXACT_POWER:
        if power < 0:
            return True, np.float64(mantissa) / _EXACT[-power]
        return True, np.float64(mantissa) * _EXACT[power]
    if mantissa == np.uint64(0):
        return True, 0.0
    zeros = leading_zeros(mantissa)
    shifted = mantissa << zeros
    high = high_product(shifted, _HIGH[power - SMALLEST_POWER])
    low = shifted * _HIGH[power - SMALLEST_POWER]
    if (high & np.uint64(0x1FF)) == np.uint64(0x1FF):
        more = high_product(shifted, _LOW[power - SMALLEST_POWER])
        low += more
        if more > low:
            high += _ONE
    if low == _ALL_ONES and not -27 <= power <= 55:
        return False, 0.0
    upper = high >> np.uint64(63)
    shift = upper + np.uint64(9)
    digits = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + np.int64(upper) - np.int64(zeros) + 1023
    if low <= _ONE and -4 <= power <= 23 and (digits & np.uint64(3)) == _ONE and (digits << shift) == high:
        digits &= ~_ONE
    digits = (digits + (digits & _ONE)) >> _ONE
    if digits >= np.uint64(1 << 53):
        digits = np.uint64(1 << 52)
        exponent += 1
    return True, double_of_bits((digits & np.uint64((1 << 52) - 1)) | (np.uint64(exponent) << np.uint64(52)))
