"""What lives as long as the process is left out of the walks of Python's collector."""

import gc
from typing import Final

# The default of 700 made a walk of nearly every body of telemetry, whose points and names are no cycles.
_NEW_OBJECTS: Final = 50_000
_YOUNG_WALKS: Final = 20
_OLD_WALKS: Final = 50


def settle() -> None:
    """Once all is imported and composed. What became garbage before is collected first."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNG_WALKS, _OLD_WALKS)
