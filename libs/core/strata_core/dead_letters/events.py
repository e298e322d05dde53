"""What dead letters tell the rest."""

from typing import Final

DEAD_LETTER_CHANGED: Final = "dead_letter.changed"
