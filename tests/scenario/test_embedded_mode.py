"""`strata up` on embedded stores, as somebody has it who typed `make up`."""

import json

import httpx
import psutil
import pytest

from fakes.pager import webhook_receiver
from scenario import story
from scenario.processes import command, free_port
from scenario.up import Up

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scenario-embedded"), pytest.mark.timeout(300)]


def test_the_thin_path_from_a_point_to_a_signed_page(up):
    acme, globex = up.tenant("acme"), up.tenant("globex")
    try:
        with webhook_receiver() as receiver:
            story.tell(acme, globex, receiver)
        compared = json.loads(command(["doctor", "consistency", "--json"], up.environment).stdout)
        assert compared["is_consistent"], compared
        remade = command(["search", "reindex", "--org", "acme", "--timeout", "60"], up.environment)
        assert remade.returncode == 0, remade.stdout + remade.stderr
        story.alerts_are_found(acme, globex)
    finally:
        acme.close()
        globex.close()


def test_both_ports_answer_their_probes_and_a_doctor_beside_them_finds_all_well(up):
    for port in (up.api_port, up.ingest_port):
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        assert ready.status_code == 200, ready.text
        figures = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert "strata_" in figures.text
    doctor = command(["doctor", "--json"], up.environment)
    findings = {finding["subject"]: finding for finding in json.loads(doctor.stdout)["findings"]}
    for store in ("postgres", "redis", "metrics", "logs", "archive", "spool"):
        assert findings[f"{store} rights"]["detail"].startswith("tried: "), findings
    assert findings["postgres clock"]["detail"].endswith("s against this machine")
    assert doctor.returncode == 0, findings


def test_a_second_owner_of_the_data_is_told_who_the_first_is(up):
    second = command(["up", "--api-port", str(free_port())], up.environment)
    assert second.returncode == 1
    assert str(up.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_init_works_without_a_running_strata_and_its_keys_work_with_the_next_one(data_dir, tmp_path):
    running = Up(data_dir, tmp_path / "up.log")
    tenant = running.tenant("acme")
    again = command(["init", "--org", "acme", "--email", "a@b.test", "--password-stdin"], running.environment, "x" * 20)
    assert again.returncode == 1
    assert "slug_taken" in again.stderr
    running.start()
    try:
        assert tenant.ingest.post("/api/v2/write", content="m value=1").status_code == 204
    finally:
        tenant.close()
        assert running.process.stop() == 0


def test_a_clean_stop_leaves_no_process_behind(data_dir, tmp_path):
    running = Up(data_dir, tmp_path / "up.log")
    running.start()
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert children
    assert running.process.stop() == 0
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_bad_settings_are_all_named_and_exit_with_2(data_dir):
    bad = {"STRATA_DATA_DIR": str(data_dir), "STRATA_API_PORT": "x", "STRATA_LOGS_URL": "ftp://x", "STRATA_TYPO": "1"}
    refused = command(["up"], bad)
    assert refused.returncode == 2
    for name in ("STRATA_API_PORT", "STRATA_LOGS_URL", "STRATA_TYPO"):
        assert name in refused.stderr
    assert "Traceback" not in refused.stderr
