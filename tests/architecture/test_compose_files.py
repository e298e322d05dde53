"""The compose files, held to the Compose specification and to what Strata really takes."""

import re
import subprocess
from urllib.parse import urlsplit

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema

from architecture.compose_files import BASE, ROOT, TLS, load, merged, runs_once, secret_names
from strata_stores.settings import PREFIX, SCHEMES, Settings, load_settings, refuse_embedded

ROLES = ("api", "ingest", "worker")
STORES = ("postgres", "valkey", "influxdb", "elasticsearch")
STORE_URLS = ("relational_url", "redis_url", "metrics_url", "logs_url", "archive_url")
PINNED = re.compile(r"^[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z0-9.]+)*$")
VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]+\b")
KNOWN = {f"{PREFIX}{name.upper()}{suffix}" for name in Settings.model_fields for suffix in ("", "_FILE")}

BOTH = pytest.mark.parametrize("files", [(BASE,), (BASE, TLS)], ids=["plain", "tls"])


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """Drawn by the script that operators run."""
    directory = tmp_path_factory.mktemp("compose") / "secrets"
    subprocess.run([ROOT / "infra/compose/make-secrets", directory], check=True, capture_output=True)
    return directory


@pytest.fixture
def settings_of(secrets, monkeypatch, tmp_path):
    """What a service's process would load, its secrets read from where the script put them."""

    def load_as(project, name):
        for variable in list(KNOWN):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.chdir(tmp_path)
        service = project["services"][name]
        for variable, value in service["environment"].items():
            monkeypatch.setenv(variable, _path(project, service, value, secrets))
        return load_settings()

    return load_as


def _path(project, service, value, secrets):
    """The file outside for a path inside, which the service must have been given."""
    if not value.startswith("/run/secrets/"):
        return value
    name = value.removeprefix("/run/secrets/")
    assert name in secret_names(service), f"{value} is not mounted"
    outside = project["secrets"][name]["file"]
    return str(secrets / outside.removeprefix("./infra/compose/secrets/"))


@pytest.mark.parametrize("path", [BASE, TLS], ids=lambda path: path.name)
def test_a_compose_file_keeps_the_specification(path):
    schema = get_builtin_schema("vendor.compose-spec")
    errors = jsonschema.Draft202012Validator(schema).iter_errors(load(path))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@BOTH
def test_every_strata_variable_is_a_setting(files):
    used = {name for path in files for name in VARIABLE.findall(path.read_text("utf-8"))}
    assert used
    assert used <= KNOWN


def test_every_strata_variable_of_the_image_is_a_setting():
    used = set(VARIABLE.findall((ROOT / "Dockerfile").read_text("utf-8")))
    assert used >= {"STRATA_BIND", "STRATA_DATA_DIR"}
    assert used <= KNOWN


@BOTH
@pytest.mark.parametrize("role", ROLES)
def test_a_role_accepts_its_settings(files, role, settings_of):
    settings = settings_of(merged(*files), role)
    refuse_embedded(settings, STORE_URLS, role)


@BOTH
def test_only_those_who_need_it_hold_the_url_of_a_role(files, settings_of):
    project = merged(*files)
    users = {}
    for name in (*ROLES, "migrate"):
        settings = settings_of(project, name)
        urls = [settings.relational_url, settings.relational_worker_url, settings.relational_owner_url]
        users[name] = {urlsplit(url.get_secret_value()).username for url in urls if url is not None}
    assert users == {
        "migrate": {"strata_migrations_login"},
        "api": {"strata_app_login"},
        "ingest": {"strata_app_login", "strata_worker_login"},
        "worker": {"strata_app_login", "strata_worker_login"},
    }


@BOTH
def test_a_store_url_names_a_service_of_the_same_network(files, settings_of):
    project = merged(*files)
    for role in ROLES:
        settings = settings_of(project, role)
        for name in STORE_URLS:
            url = urlsplit(getattr(settings, name).get_secret_value())
            if url.scheme != "file":
                assert url.hostname in STORES
                assert set(project["services"][role]["networks"]) & set(project["services"][url.hostname]["networks"])


def test_tls_leaves_no_plain_store_url(settings_of):
    project = merged(BASE, TLS)
    for role in (*ROLES, "migrate"):
        settings = settings_of(project, role)
        for name in SCHEMES:
            value = getattr(settings, name).get_secret_value()
            if role == "migrate" and name != "relational_url":
                continue  # it has no other
            if name == "relational_url":
                assert "sslmode=verify-full" in value
                assert "sslrootcert=/run/secrets/ca" in value
            else:
                assert urlsplit(value).scheme in {"rediss", "https", "file"}, name
        for url in (settings.relational_worker_url, settings.relational_owner_url):
            assert url is None or "sslmode=verify-full" in url.get_secret_value()
        assert "ca" in secret_names(project["services"][role])
        if role != "migrate":
            assert project["services"][role]["environment"]["STRATA_CA_FILE"] == "/run/secrets/ca"


def test_tls_leaves_no_plain_url_between_services():
    text = TLS.read_text("utf-8")
    assert "https://" in text
    assert "http://" not in text
    for name, service in merged(BASE, TLS)["services"].items():
        for variable, value in service.get("environment", {}).items():
            assert not str(value).startswith("http://"), (name, variable)


@BOTH
def test_every_service_is_watched_bounded_and_without_privileges(files):
    for name, service in merged(*files)["services"].items():
        if runs_once(service):
            assert service["healthcheck"] == {"disable": True}, name
        else:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name
        limits = service["deploy"]["resources"]["limits"]
        assert {"memory", "cpus", "pids"} <= limits.keys(), name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert not service.get("privileged", False), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["logging"]["options"]["max-size"], name
        # Elasticsearch writes its keystore beside its configuration.
        assert service.get("read_only") or name == "elasticsearch", name


@BOTH
def test_every_image_is_pinned(files):
    for name, service in merged(*files)["services"].items():
        assert PINNED.match(service["image"]), name
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert PINNED.match(bases[0])
    assert set(bases[1:]) == {"python"}  # the first stage's name


@BOTH
def test_stores_are_reached_by_strata_alone(files):
    project = merged(*files)
    assert project["networks"]["stores"]["internal"] is True
    for name in STORES:
        assert project["services"][name]["networks"] == ["stores"], name
        assert "ports" not in project["services"][name], name
    for role in ROLES:
        for port in project["services"][role].get("ports", ()):
            assert port.startswith("${PUBLISH_ADDRESS:-127.0.0.1}:")


@BOTH
def test_roles_wait_for_the_schema_and_for_every_store(files):
    project = merged(*files)
    for role in ROLES:
        waits = {name: need["condition"] for name, need in project["services"][role]["depends_on"].items()}
        assert waits == {
            "migrate": "service_completed_successfully",
            "elasticsearch-user": "service_completed_successfully",
            **dict.fromkeys(STORES, "service_healthy"),
        }


@BOTH
def test_every_mounted_file_and_secret_exists(files, secrets):
    project = merged(*files)
    used = set()
    for service in project["services"].values():
        used.update(secret_names(service))
        for volume in service.get("volumes", ()):
            source = volume.split(":", 1)[0]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), source
                assert volume.endswith(":ro"), volume
            else:
                assert source in project["volumes"], source
    assert used == project["secrets"].keys()
    for name, secret in project["secrets"].items():
        path = secret["file"]
        if path.startswith("./infra/compose/secrets/"):
            assert (secrets / path.removeprefix("./infra/compose/secrets/")).stat().st_size > 16, name


def test_the_spool_has_one_owner():
    services = load(BASE)["services"].items()
    assert [name for name, service in services if "spool:/var/lib/strata" in service.get("volumes", ())] == ["ingest"]


def test_drawing_secrets_again_keeps_what_is_there(secrets):
    before = {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()}
    subprocess.run([ROOT / "infra/compose/make-secrets", secrets], check=True, capture_output=True)
    assert {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in before)


def test_what_the_builder_sees_holds_no_secret():
    lines = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert "*" in lines
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert all(any(source == path or source.startswith(f"{path}/") for path in allowed) for source in copied)
    assert not any(path.startswith(("infra/compose", "infra/tls", ".env")) for path in allowed)
