"""`python bench/run.py [--row NAME] [--quick]`"""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(_ROOT)
sys.path.append(str(_ROOT / "tools"))

from bench.commandline import main  # noqa: E402 - only now is it found

if __name__ == "__main__":
    sys.exit(main())
