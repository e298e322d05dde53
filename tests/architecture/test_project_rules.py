"""Each rule of tools/project_rules.py fails a planted violation, and lets an honest file pass."""

import pytest

from project_rules import check

CORE = "libs/core/strata_core/inventory/commands.py"


def texts(path: str, source: str) -> list[str]:
    return [finding.text for finding in check(path, source)]


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        (CORE, "x = 1\n" * 501, "501 lines"),
        ("tests/unit/test_x.py", "x = 1\n" * 601, "601 lines"),
        (CORE, "import time\ntime.time()\n", "wall clock"),
        (CORE, "from datetime import datetime\ndatetime.now()\n", "wall clock"),
        (CORE, "import datetime\ndatetime.datetime.now()\n", "wall clock"),
        (CORE, "import os\nos.environ['X']\n", "environment"),
        (CORE, "import os\nos.getenv('X')\n", "environment"),
        (CORE, "from time import time\ntime()\n", "by its full name"),
        (CORE, "from os import environ\n", "by its full name"),
        (CORE, "connection.commit()\n", "outside the edge"),
        ("services/api/strata_api/routes/hosts.py", "uow.commit()\n", "outside the edge"),
        (CORE, "with units.organization(x) as uow: pass\n", "core opens"),
        (CORE, "with self.units.system() as uow: pass\n", "core opens"),
        ("libs/core/strata_core/utils.py", "x = 1\n", "named for nothing"),
        (CORE, "# TODO later\n", "unfinished"),
        ("tests/unit/test_x.py", "@pytest.mark.skip\ndef test(): ...\n", "unfinished"),
        ("tests/unit/test_x.py", "import time\ntime.sleep(1)\n", "sleeping"),
        ("services/workers/strata_workers/loops.py", "import time\ntime.sleep(1)\n", "sleeping"),
    ],
)
def test_a_planted_violation_is_found(path, source, said):
    assert any(said in text for text in texts(path, source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (CORE, "def f(clock):\n    return clock.now()\n"),
        (CORE, "x = 1\n" * 500),
        ("libs/stores/strata_stores/clock.py", "import time\ntime.time_ns()\n"),
        ("libs/stores/strata_stores/settings.py", "import os\nos.environ['X']\n"),
        ("libs/stores/strata_stores/postgres/unit_of_work.py", "connection.commit()\n"),
        ("services/api/strata_api/deps.py", "with units.organization(x) as uow: pass\n"),
        ("migrations/strata_migrations/versions/0001_ground.py", "x = 1\n" * 900),
    ],
)
def test_an_honest_file_passes(path, source):
    assert texts(path, source) == []
