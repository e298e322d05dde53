"""`python bench/run.py [--row NAME] [--quick]`"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.commandline import main  # noqa: E402 - only now is it found

if __name__ == "__main__":
    sys.exit(main())
