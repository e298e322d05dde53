"""Commands for an operator on a data directory that nobody has open: each starts the servers for itself."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from strata_cli.consistency import run_consistency
from strata_cli.database import run_downgrade, run_status, run_upgrade
from strata_cli.doctor import run_doctor
from strata_cli.events import run_parked, run_retry
from strata_cli.keys import run_create, run_list
from strata_cli.metric_repair import Range, run_repair
from strata_cli.reindexing import run_reindex
from strata_cli.retention import run_set, run_show
from strata_cli.setup import run_init
from strata_datamodel.errors import ConflictError, NotFoundError
from strata_stores.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("command_line")]


@pytest.fixture
def settings(server_root: Path) -> Settings:
    return Settings(data_dir=server_root / "data")


def printed(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_schema_commands_do_what_they_say_and_nothing_besides(settings, capsys):
    run_status(settings, as_json=True)
    fresh = printed(capsys)
    assert (fresh["current"], fresh["ledger"]) == (None, [])
    assert fresh["pending"][0] == "0001"
    run_upgrade(settings, "0001", as_json=True)
    assert printed(capsys)["current"] == "0001"
    with pytest.raises(ConflictError) as preview:
        run_downgrade(settings, "base", is_sure=False, as_json=True)
    assert preview.value.code == "not_confirmed"
    assert "DROP TABLE" in capsys.readouterr().out
    run_downgrade(settings, "base", is_sure=True, as_json=True)
    assert printed(capsys)["current"] is None
    run_status(settings, as_json=True)
    assert printed(capsys) == fresh


def test_an_organization_is_made_looked_at_and_given_a_key(settings, capsys):
    for slug in ("acme", "globex"):
        run_init(settings, slug=slug, name=slug, email=f"ana@{slug}.test", password="correct horse", as_json=True)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    made = [document for document in told if "org" in document]  # beside what the log says in a test
    assert [document["org"]["slug"] for document in made] == ["acme", "globex"]
    run_create(settings, "acme", name="agents", scopes=["ingest"], days=30, networks=[], as_json=True)
    assert printed(capsys)["token"].startswith("strata_live_")
    run_list(settings, "acme", as_json=True)
    assert sorted(key["name"] for key in printed(capsys)) == ["admin", "agents", "ingest"]
    run_list(settings, "globex", as_json=True)
    assert sorted(key["name"] for key in printed(capsys)) == ["admin", "ingest"]
    with pytest.raises(NotFoundError):
        run_list(settings, "nobody", as_json=True)
    run_set(settings, "acme", tier_name="raw", kept="14d")
    capsys.readouterr()
    for slug, days in (("acme", 14), ("globex", 7)):
        run_show(settings, slug, as_json=True)
        assert printed(capsys)[0] == {
            "tier": "raw",
            "kept_s": days * 86_400,
            "default_s": 604_800,
            "longest_s": 2_592_000,
        }
    wanted = Range("now-3h", "now")
    assert run_repair(settings, None, wanted, is_dry=True, waits=True, timeout_s=1, as_json=True) == 0
    previewed = printed(capsys)
    assert (previewed["organizations"], previewed["hours"], previewed["left"]) == (2, 8, 0)
    assert run_repair(settings, "acme", wanted, is_dry=False, waits=True, timeout_s=0, as_json=True) == 1
    assert printed(capsys)["left"] == 4
    run_parked(settings, "acme", as_json=True)
    assert printed(capsys) == []
    with pytest.raises(NotFoundError):
        run_retry(settings, "acme", UUID(int=1), as_json=True)
    assert run_doctor(settings, as_json=True) == 0
    findings = {finding["subject"]: finding for finding in printed(capsys)["findings"]}
    stores = {"postgres", "redis", "metrics", "logs", "archive"}
    tried = {f"{store} rights" for store in stores | {"spool"}}
    assert findings.keys() == {"disk", "postgres clock", "redis clock", "search"} | stores | tried
    assert run_consistency(settings, as_json=True) == 0
    (search,) = printed(capsys)["stores"]
    assert (search["store"], search["organizations"], search["drift"]) == ("search", 2, 0)
    assert run_reindex(settings, "acme", waits=False, timeout_s=None, as_json=True) == 0
    assert len(printed(capsys)) == 1


def test_a_doctor_looks_at_an_old_schema_and_leaves_it_as_it_is(settings, capsys):
    run_init(settings, slug="acme", name="acme", email="ana@acme.test", password="correct horse", as_json=True)
    run_downgrade(settings, "base", is_sure=True, as_json=True)
    capsys.readouterr()
    assert run_doctor(settings, as_json=True) == 1
    findings = {finding["subject"]: finding for finding in printed(capsys)["findings"]}
    assert "needs" in findings["postgres"]["detail"]
    run_status(settings, as_json=True)
    assert printed(capsys)["current"] is None
