"""The check can fail: a host that is too small, a manifest with a wrong key, a wrong port."""

from dataclasses import replace

import pytest

from deploy.check.checking import CheckResult, State, check_files, check_limits
from deploy.check.parsing import megabytes, parse, variables
from deploy.errors import Unreadable
from deploy.files import files
from deploy.host import Host, Limits
from deploy.hosts import get_host
from deploy.spec import APP


def failed(lines: list[CheckResult]) -> dict[str, str]:
    """What failed, and what was said; each failure says what to do."""
    found = [line for line in lines if line.state is State.FAILED]
    assert all(line.todo for line in found)
    return {line.what: line.said for line in found}


def changed(host: Host, before: str, after: str) -> dict[str, str]:
    """The host's files with one thing made wrong."""
    made = files(host)
    assert any(before in text for text in made.values())
    return {path: text.replace(before, after) for path, text in made.items()}


@pytest.mark.parametrize(
    ("name", "before", "after", "what", "said"),
    [
        ("render", "healthCheckPath", "healthcheckPath", "render.yaml", "'healthcheckPath' was"),
        ("render", "/api/ready", "/healthz", "health path", "'/healthz' in the files"),
        ("render", "numInstances: 1", "numInstances: 3", "instances (numInstances)", "'3' in the"),
        ("render", "LOUPE_LOG", "LOUPE_LOGS", "settings", "no settings: LOUPE_LOGS"),
        ("render", "plan: free", "plan: huge", "render.yaml", "'huge' is not one of"),
        ("railway", "numReplicas = 1", 'numReplicas = "1"', "railway.toml", "not of type"),
        ("fly", '"512mb"', '"300tb"', "fly.toml", "'300tb' does not match"),
        ("fly", '"512mb"', '"300tb"', "files", "no amount of memory"),
        ("fly", '"/data"', '"/nowhere"', "data folder", "/nowhere: not /data"),
        ("cloud-run", "value: '1024'", "value: '8192'", "memory told", "there are 1024 MB"),
        ("vps-compose", "data:/data", "data:/nowhere", "data folder", "/nowhere: not /data"),
        (
            "vps-systemd",
            "StateDirectory=loupe",
            "StateDirectory=x",
            "data folder",
            "x: not /var/lib",
        ),
        ("vps-systemd", "MemoryMax=1024M", "MemoryMax=infinity", "files", "no amount of memory"),
        ("cloud-init", "reverse_proxy", "reverse_poxy", "/etc/caddy/Caddyfile", "reverse_poxy"),
        ("vps-compose", "mem_limit: 1024m", "mem_limit: 200000k", "memory in the files", "195 MB"),
        ("fly", "internal_port = 8501", "internal_port = 8080", "port", "'8080' in the files"),
        ("fly", "512mb", "256mb", "memory in the files", "256 MB, the app needs 330 MB"),
        ("fly", "SIGTERM", "SIGHUP", "fly.toml", "'SIGHUP' is not one of"),
        (
            "cloud-run",
            "maxScale: '1'",
            "maxScale: '100'",
            "instances (autoscaling.knative.dev/maxScale)",
            "'100'",
        ),
        ("cloud-run", "1024Mi", "256Mi", "memory in the files", "256 MB"),
        ("cloud-run", "containerPort", "port", "service.yaml", "'port' was unexpected"),
        ("heroku", '"quantity": 1', '"quantity": 5', "instances (quantity)", "'5'"),
        ("spaces", "app_port: 8501", "app_port: 7860", "port", "'7860' in the files"),
        ("spaces", "sdk: docker", "sdk: streamlit", "spaces/README.md", "'docker' was expected"),
        ("vps-compose", "'8501'", "'8000'", "port", "'8000' in the files"),
        ("vps-compose", "mem_limit: 1024m", "mem_limit: 128m", "memory in the files", "128 MB"),
        ("vps-compose", "read_only", "readonly", "compose.yaml", "'readonly' was unexpected"),
        ("vps-systemd", "MemoryMax=1024M", "MemoryMax=200M", "memory in the files", "200 MB"),
        ("vps-systemd", "User=loupe", "User=root", "systemd/loupe.service", "root"),
        ("vps-systemd", "NoNewPrivileges", "NoPrivileges", "systemd/loupe.service", "NoPriv"),
        ("cloud-init", "runcmd", "run_cmd", "cloud-init.yaml", "'run_cmd' was unexpected"),
        ("sagemaker", "ModelName", "Model", "sagemaker/model.json", "'Model' was unexpected"),
        ("sagemaker", '"MaxCapacity": 1', '"MaxCapacity": 9', "instances (MaxCapacity)", "'9'"),
        ("sagemaker", 'Count": 1', 'Count": 20', "instances (InitialInstanceCount)", "'20'"),
        ("vertex", "/vertex/health", "/healthz", "health path", "'/healthz' in the files"),
        ("vertex", "predictRoute", "route", "vertex/model.json", "'route' was unexpected"),
    ],
)
def test_what_is_wrong_in_the_files_fails(
    name: str, before: str, after: str, what: str, said: str
) -> None:
    host = get_host(name)
    found = failed(check_files(host, changed(host, before, after)))
    assert what in found
    assert said in found[what]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("vps-compose", "    - data:/data", "    - ./x:/x\n    - data:/data"),
        ("vps-systemd", "[Service]", "; mine\n[Service]"),
        ("fly", "512mb", "1gb"),
        ("cloud-init", "write_files:", "write_files:\n- path: /etc/motd"),
    ],
)
def test_an_edit_that_is_as_good_passes(name: str, before: str, after: str) -> None:
    host = get_host(name)
    assert failed(check_files(host, changed(host, before, after))) == {}


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(memory_mb=256), "memory"),
        (Limits(start_seconds=5), "seconds to start"),
        (Limits(body_mb=1.5), "body of a request"),
    ],
)
def test_a_host_that_is_too_small_fails(limits: Limits, what: str) -> None:
    host = replace(get_host("render"), limits=limits)
    assert set(failed(check_limits(host))) == {what}
    assert failed(check_limits(get_host("render"))) == {}


def test_an_app_that_grew_fails_on_the_small_hosts_only() -> None:
    grown = replace(APP, memory_mb=600)
    small = {
        host.name for host in map(get_host, HOSTS) if "memory" in failed(check_limits(host, grown))
    }
    assert small == {"render", "railway", "fly", "heroku"}


HOSTS = ("render", "railway", "fly", "heroku", "community-cloud", "cloud-run", "spaces", "vertex")


def test_where_torch_does_not_fit_the_compiled_engine_answers() -> None:
    noted = {
        host.name
        for host in map(get_host, HOSTS)
        if any(line.what == "learner engine" for line in check_limits(host))
    }
    assert noted == {"render", "railway", "fly", "heroku"}


def test_what_cannot_be_read_fails_and_says_where() -> None:
    broken = {"render.yaml": "services: [", "other": ""}
    assert "render.yaml cannot be read" in failed(check_files(get_host("render"), broken))["files"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.json", "{"),
        ("a.toml", "a ="),
        ("a.yaml", "a: [1"),
        ("README.md", "no front matter"),
        ("a.service", "no section"),
    ],
)
def test_a_broken_file_is_refused(path: str, text: str) -> None:
    with pytest.raises(Unreadable, match=f"{path} cannot be read"):
        parse(path, text)


@pytest.mark.parametrize(
    ("text", "mb"),
    [
        ("512mb", 512),
        ("1024M", 1024),
        ("1Gi", 1024),
        ("1gb", 1024),
        ("768Mi", 768),
        (256, 256),
        ("2048K", 2),
    ],
)
def test_memory_is_read_in_every_notation(text: str | int, mb: int) -> None:
    assert megabytes(text) == mb


@pytest.mark.parametrize("text", ["much", "", "mb", "1 2"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="no amount of memory"):
        megabytes(text)


@pytest.mark.parametrize(
    "found",
    [
        {"A": "1"},
        {"A": {"value": "1", "description": "…"}},
        [{"name": "A", "value": "1"}],
        [{"key": "A", "value": "1"}, {"key": "SECRET", "generateValue": True}],
    ],
)
def test_variables_are_read_in_every_form(found: object) -> None:
    assert variables(found) == {"A": "1"}


def test_no_variables_are_none() -> None:
    assert variables(None) == {}
