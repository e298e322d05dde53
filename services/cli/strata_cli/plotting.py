"""Series drawn with dots of Braille, two by four to a sign. Pure: what a terminal has of colours is its own affair."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rich.text import Text

_COLOURS: Final = ("cyan", "magenta", "yellow", "green", "red", "blue", "bright_white", "bright_black")
_ACROSS: Final = 2
_DOWN: Final = 4
_BLANK: Final = 0x2800
_BITS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_AXIS: Final = 12
LEAST_WIDTH: Final = 24
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What of the plane is drawn, on how many dots."""

    left: float
    right: float
    low: float
    high: float
    width: int
    height: int

    def dot(self, point: tuple[float, float]) -> tuple[int, int]:
        """Counted from the upper left."""
        across = (point[0] - self.left) / (self.right - self.left)
        up = (point[1] - self.low) / (self.high - self.low)
        return round(across * (self.width - 1)), round((1 - up) * (self.height - 1))


def colour_of(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def plotted(series: Sequence[Points], *, width: int, height: int) -> list[Text]:
    """A row of signs each, with the value of the top and of the bottom in front; empty when there is nothing to draw.
    What is not finite is a gap."""
    finite = [[point for point in points if math.isfinite(point[1])] for points in series]
    columns = max(width, LEAST_WIDTH) - _AXIS
    frame = _framed(finite, columns * _ACROSS, height * _DOWN)
    if frame is None:
        return []
    signs: list[list[int]] = [[0] * columns for _ in range(height)]
    owners: list[list[int]] = [[0] * columns for _ in range(height)]
    for number, points in enumerate(finite):
        for x, y in _dots(frame, points):
            signs[y // _DOWN][x // _ACROSS] |= _BITS[x % _ACROSS][y % _DOWN]
            owners[y // _DOWN][x // _ACROSS] = number
    return [_row(row, signs[row], owners[row], frame, height) for row in range(height)]


def _framed(series: Sequence[Points], width: int, height: int) -> _Frame | None:
    points = [point for each in series for point in each]
    if not points:
        return None
    left, right = min(at for at, _ in points), max(at for at, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    if high - low <= abs(high) * 1e-12:  # a level line is drawn in the middle
        low, high = low - (abs(low) or 1.0), high + (abs(high) or 1.0)
    return _Frame(left, right if right > left else left + 1, low, high, width, height)


def _dots(frame: _Frame, points: Points) -> set[tuple[int, int]]:
    """The points, and straight lines between them."""
    dots = [frame.dot(point) for point in points]
    found = set(dots)
    for (x, y), (to_x, to_y) in pairwise(dots):
        steps = max(abs(to_x - x), abs(to_y - y))
        found |= {(x + round((to_x - x) * n / steps), y + round((to_y - y) * n / steps)) for n in range(1, steps)}
    return found


def _row(row: int, signs: Sequence[int], owners: Sequence[int], frame: _Frame, height: int) -> Text:
    levels = {0: frame.high, height - 1: frame.low}
    text = Text(f"{_shown(levels[row]):>{_AXIS - 2}} ┤" if row in levels else " " * (_AXIS - 1) + "│")
    for sign, owner in zip(signs, owners, strict=True):
        text.append(chr(_BLANK + sign), style=colour_of(owner) if sign else "")
    return text


def _shown(value: float) -> str:
    return f"{value:.4g}"
