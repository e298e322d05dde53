"""Settings: where they come from, and that a bad start names everything that is wrong."""

import base64
import json

import pytest

from strata_stores.settings import BadSettingsError, load_settings, refuse_embedded

KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    import os  # noqa: PLC0415

    for name in list(os.environ):
        if name.startswith("STRATA_") and not name.startswith("STRATA_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_run_everything_embedded_on_loopback():
    settings = load_settings()
    assert settings.bind == "127.0.0.1"
    assert (settings.api_port, settings.ingest_port) == (8400, 8401)
    assert all(
        settings.is_embedded(f"{name}_url") for name in ("relational", "redis", "metrics", "logs", "archive")
    )  # fmt: skip


def test_every_problem_is_named_at_once_and_no_value_is_repeated(monkeypatch):
    monkeypatch.setenv("STRATA_API_PORT", "70000")
    monkeypatch.setenv("STRATA_RELATIONAL_URL", "mysql://root:hunter2@db/x")
    monkeypatch.setenv("STRATA_WRAPPING_KEY", "c2hvcnQ=")
    monkeypatch.setenv("STRATA_METRIC_URL", "http://influx")
    with pytest.raises(BadSettingsError) as raised:
        load_settings()
    where = {problem.where for problem in raised.value.problems}
    assert where == {"STRATA_API_PORT", "STRATA_RELATIONAL_URL", "STRATA_WRAPPING_KEY", "STRATA_METRIC_URL"}
    assert "hunter2" not in repr(raised.value.problems) + str(raised.value)
    assert "c2hvcnQ" not in repr(raised.value.problems)


def test_a_mail_server_is_checked_at_the_start(monkeypatch):
    monkeypatch.setenv("STRATA_SMTP_URL", "imap://u:hunter2@mail.test")
    monkeypatch.setenv("STRATA_MAIL_FROM", "nobody")
    with pytest.raises(BadSettingsError) as raised:
        load_settings()
    assert {problem.where for problem in raised.value.problems} == {"STRATA_SMTP_URL", "STRATA_MAIL_FROM"}
    assert "hunter2" not in repr(raised.value.problems)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8400"),
        ({"bind": "0.0.0.0", "api_port": 9000}, "http://127.0.0.1:9000"),
        ({"bind": "::1"}, "http://[::1]:8400"),
        ({"public_url": "https://strata.test"}, "https://strata.test"),
    ],
)
def test_links_in_mails_begin_where_browsers_reach_the_api(given, url):
    assert load_settings(**given).browser_url == url


def test_a_secret_may_come_from_a_file(monkeypatch, tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY + "\n", encoding="utf-8")
    monkeypatch.setenv("STRATA_WRAPPING_KEY_FILE", str(path))
    wrapping_key = load_settings().wrapping_key
    assert wrapping_key is not None
    assert wrapping_key.get_secret_value() == KEY


def test_a_file_that_is_missing_or_doubles_a_value_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("STRATA_WRAPPING_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(BadSettingsError) as raised:
        load_settings()
    assert [problem.where for problem in raised.value.problems] == ["STRATA_WRAPPING_KEY_FILE"]


def test_a_dotenv_file_is_the_weakest_source(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("STRATA_API_PORT=9000\nSTRATA_INGEST_PORT=9001\n", encoding="utf-8")
    monkeypatch.setenv("STRATA_INGEST_PORT", "9002")
    settings = load_settings(api_port=9003)
    assert (settings.api_port, settings.ingest_port) == (9003, 9002)


def test_one_port_for_both_is_refused():
    with pytest.raises(BadSettingsError, match="wrong"):
        load_settings(api_port=9000, ingest_port=9000)


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("STRATA_RELATIONAL_URL", "postgresql://strata:hunter2@db/strata")
    assert "hunter2" not in repr(load_settings())


def test_a_role_of_its_own_refuses_stores_that_live_in_another_process():
    with pytest.raises(BadSettingsError) as raised:
        refuse_embedded(load_settings(), ("relational_url", "metrics_url"), "api")
    assert {problem.where for problem in raised.value.problems} == {
        "STRATA_RELATIONAL_URL",
        "STRATA_METRICS_URL",
        "STRATA_WRAPPING_KEY",
    }


def test_other_programs_names_in_dotenv_are_let_alone_and_misspelt_ones_of_ours_are_not(tmp_path):
    (tmp_path / ".env").write_text("DATABASE_URL=x\nOTHER=1\nSTRATA_API_PORT=9000\n", encoding="utf-8")
    assert load_settings().api_port == 9000
    (tmp_path / ".env").write_text("STRATA_API_PROT=9000\n", encoding="utf-8")
    with pytest.raises(BadSettingsError) as raised:
        load_settings()
    assert [problem.where for problem in raised.value.problems] == ["STRATA_API_PROT in .env"]


def test_a_file_that_is_no_text_is_named(monkeypatch, tmp_path):
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("STRATA_WRAPPING_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(BadSettingsError) as raised:
        load_settings()
    assert [problem.where for problem in raised.value.problems] == ["STRATA_WRAPPING_KEY_FILE"]


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@host/db?bogus=1", "postgresql://u:hunter2@[::1/db"])
def test_a_database_url_that_cannot_be_read_is_named_without_its_password(monkeypatch, url):
    monkeypatch.setenv("STRATA_RELATIONAL_OWNER_URL", url)
    with pytest.raises(BadSettingsError) as raised:
        load_settings()
    assert [problem.where for problem in raised.value.problems] == ["STRATA_RELATIONAL_OWNER_URL"]
    assert "hunter2" not in repr(raised.value.problems)


def test_cells_come_from_a_file_and_tokens_from_files_beside_it(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("hunter2\n", encoding="utf-8")
    given = {"eu": {"url": "https://eu.example.com", "token_file": str(tmp_path / "token")}, "x": {"url": "embedded"}}
    (tmp_path / "cells.json").write_text(json.dumps(given), encoding="utf-8")
    monkeypatch.setenv("STRATA_CELLS", str(tmp_path / "cells.json"))
    settings = load_settings(cell_for_new="eu")
    assert list(settings.metric_cells) == ["default", "eu", "x"]
    token = settings.metric_cells["eu"].token
    assert token is not None
    assert token.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_all_that_is_wrong_with_cells_is_named_at_once_and_no_value_is():
    given = {"default": {"url": "embedded"}, "Eu": {"url": "embedded"}, "us": {"url": "ftp://hunter2"}, "b": {"urn": 1}}
    with pytest.raises(BadSettingsError) as raised:
        load_settings(cells=json.dumps(given))
    (problem,) = raised.value.problems
    assert problem.where == "STRATA_CELLS"
    for part in ("'default'", "'Eu'", "us: url: must be", "b: url: Field required", "b: urn: Extra"):
        assert part in problem.detail
    assert "hunter2" not in problem.detail
    with pytest.raises(BadSettingsError):
        load_settings(cell_for_new="eu")


def test_a_role_of_its_own_refuses_cells_that_live_in_another_process():
    settings = load_settings(cells='{"eu": {"url": "embedded"}}', metrics_url="http://influx:8086")
    with pytest.raises(BadSettingsError) as raised:
        refuse_embedded(settings, ("relational_url", "metrics_url"), "api")
    assert "STRATA_CELLS" in {problem.where for problem in raised.value.problems}
