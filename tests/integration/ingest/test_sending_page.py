"""The commands of the guide's page on sending do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs/guide/sending.md").read_text("utf-8")
RUNS = {"sh": ["sh", "-ec"], "python": [sys.executable, "-c"]}


def test_the_pages_commands_run_as_they_are(ingest):
    environment = os.environ | {"INGEST_URL": ingest.url, "INGEST_KEY": ingest.acme.key}
    for language, command in re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1:]:
        done = subprocess.run(
            [*RUNS[language], command], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    hosts = {"web-1": 12.5, "web-2": 3, "web-3": 7.5, "web-4": 4.25, "web-5": 5}
    assert ingest.points("cpu", "usage") == hosts
    assert ingest.points("cpu", "state") == {"web-1": "ok", "web-4": "ok"}
    assert {row["name"] for row in ingest.database.rows("SELECT name FROM hosts")} == set(hosts)
