# ruff: noqa: INP001 - a script of the image, in no package
"""For container health checks: exits 0 when the URL answers 2xx. The image has no curl."""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 4.0


def main() -> int:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(sys.argv[1], timeout=TIMEOUT_S) as answer:
            return 0 if answer.status < 300 else 1
    except (urllib.error.URLError, OSError) as error:
        sys.stderr.write(f"{sys.argv[1]}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
