"""`strata keys revoke`, beside servers that another process holds."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from scenario.processes import command
from strata_cli.administration import relational_urls
from strata_cli.keys import run_create, run_list, run_revoke
from strata_cli.setup import run_init
from strata_datamodel.errors import NotFoundError
from strata_stores.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("command_line")]


@pytest.fixture
def settings(server_root: Path, capsys):
    """Of a data directory with two organizations, whose servers run."""
    settings = Settings(data_dir=server_root / "data")
    with relational_urls(settings, "the test"):
        for slug in ("acme", "globex"):
            run_init(settings, slug=slug, name=slug, email=f"ana@{slug}.test", password="correct horse", as_json=True)
        capsys.readouterr()
        yield settings


def shown(settings: Settings, org: str, capsys) -> list[str]:
    run_list(settings, org, as_json=False)
    return capsys.readouterr().out.splitlines()


def test_a_key_is_revoked_by_its_organization_alone_and_for_good(settings, capsys):
    run_create(settings, "acme", name="agents", scopes=["ingest"], days=None, networks=[], as_json=True)
    key_id = json.loads(capsys.readouterr().out)["id"]
    with pytest.raises(NotFoundError):
        run_revoke(settings, "globex", UUID(key_id))
    typed = ["keys", "revoke", "--org", "acme", key_id, "--data-dir", str(settings.data_dir)]
    revoked = command(typed, {})
    assert (revoked.returncode, revoked.stdout.startswith("agents is revoked")) == (0, True), revoked.stderr
    run_revoke(settings, "acme", UUID(key_id))
    assert capsys.readouterr().out.startswith("agents is revoked")
    listed = shown(settings, "acme", capsys)
    assert [line.split()[-1] for line in listed if key_id in line] == ["revoked"]
    assert sum("revoked" in line for line in listed + shown(settings, "globex", capsys)) == 1
