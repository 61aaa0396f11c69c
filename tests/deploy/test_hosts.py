"""The contract of every host: its files, its limits, its description, and who it fits."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from deploy.check import check_placeholders, check_settings
from deploy.files import read_settings
from deploy.host import Fit, Host
from deploy.hosts import DOCUMENTED, HOSTS
from deploy.spec import APP, app_files
from deploy.trial import read_start_settings
from model.settings import ROOT
from tests.tools import require_tool
from ui.hosts_view import FILTERS

every_host = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
every_server = pytest.mark.parametrize(
    "host", [host for host in HOSTS.values() if host.has_server], ids=lambda host: host.name
)

ONE_INSTANCE = {
    "cloud-run": "maxScale: '1'",
    "render": "numInstances: 1",
    "sagemaker": "--max-capacity 1",
    "vertex": "--max-replica-count=1",
    "vps-compose": "scale: 1",
    "cloud-init": "scale: 1",
    "ray-serve": "max_replicas: MAX_REPLICAS",
}
"""What limits the number of instances; other hosts run only one."""


def all_text(host: Host) -> str:
    return "\n".join([*host.make_files().values(), *host.list_steps(), host.remarks])


@every_server
def test_server_has_room_and_time_for_the_app(host: Host) -> None:
    assert host.limits.memory_mb >= APP.memory_mb
    assert (host.limits.start_seconds or APP.start_seconds) >= APP.start_seconds


@every_server
def test_server_runs_one_instance(host: Host) -> None:
    assert host.name in {*ONE_INSTANCE, "community-cloud", "spaces"}
    assert ONE_INSTANCE.get(host.name, "") in all_text(host)
    stated = re.search(r"Limited to one|keeps it at one instance", host.remarks)
    assert stated or host.name == "ray-serve"


@every_server
def test_server_gets_its_settings_and_no_secret_in_a_file(host: Host) -> None:
    settings, memory_mb = read_settings(host.make_files()), str(host.limits.memory_mb)
    assert check_settings(settings).state == "ok"
    assert not set(settings) & set(APP.secrets)
    assert read_start_settings(host, host.make_files())["LOUPE_MEMORY_MB"] == memory_mb
    # A Space gets its settings by commands.
    in_files = settings.get("LOUPE_MEMORY_MB") == memory_mb
    assert in_files != (host.name == "spaces" and f"LOUPE_MEMORY_MB={memory_mb}" in all_text(host))


@every_server
def test_host_with_pages_names_the_key_and_a_database_if_files_are_lost(host: Host) -> None:
    if host.has_page and host.name != "render":  # Render generates it
        assert "openssl rand -hex 32" in all_text(host)
    if host.has_page and not host.limits.keeps_files:
        assert "LOUPE_DATABASE" in all_text(host)


def test_every_host_is_listed() -> None:
    found = set()
    for path in (ROOT / "deploy" / "hosts").glob("[!_]*.py"):
        values = vars(import_module(f"deploy.hosts.{path.stem}")).values()
        found |= {value.name for value in values if isinstance(value, Host)}
    assert found == set(HOSTS)


@every_host
def test_every_limit_has_a_source(host: Host) -> None:
    limits = {
        "memory": host.limits.memory_mb,
        "cores": host.limits.cpu,
        "sleeps": host.limits.sleeps,
        "start": host.limits.start_seconds,
        "disk": host.limits.keeps_files,
        "price": host.kind not in ("server (VPS)", "machine (IaaS)", "cluster (API only)"),
        "files": True,
    }
    lines = [line.removesuffix(" (cited)").split(" ", 1) for line in host.sources.splitlines()]
    documented = {fact for _, facts in lines for fact in facts.split(", ")}
    assert documented == {name for name, value in limits.items() if value}
    assert all(url.startswith("https://") for url, _ in lines)
    is_alert_first = host.list_steps()[0].startswith("Budget alert: ")
    assert is_alert_first == (host.name not in ("static", "community-cloud"))


@every_server
@pytest.mark.parametrize("name", ["on", "null", "123", "1e5", "0x1f", "012", "2026-01-01"])
def test_name_of_a_model_stays_text_in_every_format(host: Host, name: str) -> None:
    files = host.make_files(replace(APP, models=(name,)))
    assert read_settings(files).get("LOUPE_MODEL", name) == name
    for path, text in files.items():
        if "LOUPE_MODEL" in text and not path.endswith(".json"):
            parse = tomllib.loads if "toml" in path else yaml.safe_load
            assert f"'{name}'" in str(parse(text))


@every_host
def test_placeholders_are_described_found_and_filled(host: Host) -> None:
    text = all_text(host) + host.update_command()
    assert not re.search(r"CHANGE-ME|\bYOU\b|example\.org|<[A-Z]", text)
    assert set(re.findall(r"\bYOUR[-.][A-Z-]+\b", text)) <= set(host.placeholders)
    results = check_placeholders(host, host.make_files())
    assert {result.message.split()[0] for result in results} == set(host.placeholders_in_files())
    values = dict.fromkeys(host.placeholders, "a.b-c/d@e:1")
    steps = host.list_steps(APP, values)
    filled = "\n".join([*host.make_files(APP, values).values(), *steps])
    for word in host.placeholders:
        pattern = rf"(?<!--set )(?<!\w){re.escape(word)}(?!\w)"
        assert re.search(pattern, text), word
        assert not re.search(pattern, filled), word
    # Any other word in capitals would be a placeholder, too.
    commands = " ".join(step for step in steps if step.startswith("$ "))
    words = re.findall(r"(?<![\w$])[A-Z][A-Z-]{2,}(?![\w=])", re.sub(r"--set \S+?=", "", commands))
    assert set(words) <= {"AWS", "COST", "EMAIL", "ACTUAL", "MONTHLY", "USD"}


@every_host
def test_commands_are_valid_shell(host: Host) -> None:
    for step in [*host.list_steps(), f"$ {host.update_command()}"]:
        if step.startswith("$ "):
            subprocess.run(["sh", "-n", "-c", step.removeprefix("$ ")], check=True)


def test_machine_starts_the_compose_file_of_the_repository() -> None:
    files = HOSTS["cloud-init"].make_files()
    document = yaml.safe_load(files.pop("cloud-init.yaml"))
    assert files == HOSTS["vps-compose"].make_files()
    (command,) = document["runcmd"]
    subprocess.run(["sh", "-n", "-c", command], check=True)
    assert command.endswith("docker compose up --detach --build")
    assert f"data:{APP.data_dir}" in files["compose.yaml"]


def test_later_update_replaces_the_deployed_version() -> None:
    sagemaker = HOSTS["sagemaker"].update_command()
    assert "--provenance=false --output=type=registry,oci-mediatypes=false" in sagemaker
    assert sagemaker.index("AWS_DEFAULT_REGION=") < sagemaker.index("docker login")
    assert sagemaker.index("docker login") < sagemaker.index("docker buildx build")
    vertex = HOSTS["vertex"].update_command(values={"PROJECT": "p", "REGION": "r"})
    assert "--parent-model=projects/p/locations/r/models/loupe --version-aliases=default" in vertex
    read, deploy, undeploy = (
        vertex.index(f"gcloud ai endpoints {verb} ENDPOINT")
        for verb in ("describe", "deploy-model", "undeploy-model")
    )
    assert vertex.index("OLD=") < read < deploy < undeploy < vertex.index("$OLD")


def test_proxy_accepts_the_largest_upload() -> None:
    """Caddy and Streamlit count in MiB; the form around the file is added to that."""
    config = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    size = re.search(r"max_size (\d+)MiB", HOSTS["vps-compose"].make_files()["Caddyfile"])
    assert size
    assert int(size[1]) > config["server"]["maxUploadSize"]


@pytest.mark.parametrize(
    ("title", "heading", "written"),
    [
        ("Mushrooms", "Mushrooms", "Mushrooms"),
        ("ends in ---", "ends in ---", r"ends in \-\-\-"),
        ("<b>\n*Yours*", "<b> *Yours*", r"\<b\> \*Yours\*"),
        ("", "Loupe", "Loupe"),
    ],
)
def test_space_is_titled_by_its_model(title: str, heading: str, written: str) -> None:
    text = HOSTS["spaces"].make_files(replace(APP, model_title=title))["README.md"]
    assert yaml.safe_load(text.removeprefix("---\n").split("\n---\n")[0])["title"] == heading
    assert f"\n# {written}\n" in text


PRIVATE = {
    *("export.pkl", "model/export.pkl", "corrections.zip", "bundles/backup.zip", "ui/.env"),
    *("photos/me.jpg", ".streamlit/secrets.toml", ".env", ".git/config", "mine.txt", "tests/x.py"),
    *("bundles/.loupe-new-x/graph.onnx", "build/spaces/Dockerfile", "model/__pycache__/a.pyc"),
}


def test_server_gets_the_app_and_nothing_private(tmp_path: Path) -> None:
    rsync, host = require_tool("rsync"), HOSTS["vps-compose"]
    here, server = tmp_path / "here", tmp_path / "server"
    expected = {*app_files(APP), *host.make_files()}
    expected -= {".gitignore", ".streamlit/secrets.toml.example"}  # A repository's, not an app's.
    expected |= {".dockerignore", "bundles/mine/bundle.json", "bundles/mine/graph.onnx"}
    for path in expected | PRIVATE:
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).write_text("here")
    rules = "deploy/rsync.rules"
    (here / rules).write_text((ROOT / rules).read_text())
    kept = {".env", ".env.loupe", ".venv/bin/python", "mine.txt"}
    for path in (*kept, "model/removed.py", "bundles/removed/graph.onnx"):
        (server / path).parent.mkdir(parents=True, exist_ok=True)
        (server / path).write_text("server")
    (command,) = [step for step in host.list_steps() if step.startswith("$ rsync ")]
    copy = command.removeprefix("$ rsync ").replace("SERVER:/opt/loupe", str(server))
    subprocess.run([rsync, *shlex.split(copy)], cwd=here, check=True)
    files = [path for path in server.rglob("*") if path.is_file()]
    texts = {path.relative_to(server).as_posix(): path.read_text() for path in files}
    assert {path for path, text in texts.items() if text != "server"} == expected
    assert {path for path, text in texts.items() if text == "server"} == kept


ANY = Fit(budget="by use", traffic="a few people", expertise="yes")
BUSY = Fit(budget="by use", traffic="thousands an hour", expertise="yes")
BUSY_HOSTS = ["vps-compose", "cloud-run", "cloud-init", "vertex", "sagemaker", "ray-serve"]


@pytest.mark.parametrize(
    ("answers", "filters", "names"),
    [
        (Fit(), [], ["static", "community-cloud", "render"]),
        (Fit(), ["offline"], ["static"]),
        (Fit(), ["whole_app"], ["community-cloud", "render"]),
        (Fit(), ["awake"], ["static"]),
        (Fit(budget="a few dollars"), ["gpu"], ["spaces"]),
        (ANY, ["private"], ["static", "vps-compose", "cloud-init", "ray-serve"]),
        (ANY, ["free"], ["static", "community-cloud", "render"]),
        (ANY, [], list(HOSTS)),
        (BUSY, [], BUSY_HOSTS),
        (BUSY, ["own_domain"], ["vps-compose", "cloud-run", "cloud-init"]),
        (replace(BUSY, expertise="some"), [], ["vps-compose", "cloud-run"]),
    ],
)
def test_hosts_fit_typical_owners(answers: Fit, filters: Sequence[str], names: list[str]) -> None:
    fitting = [host for host in HOSTS.values() if not host.list_shortfalls(answers)]
    passing = [host for host in fitting if all(FILTERS[name][1](host) for name in filters)]
    assert [host.name for host in passing] == names


def test_model_that_needs_more_memory_excludes_a_host() -> None:
    large = replace(APP, memory_mb=600)
    short = {name: host.list_shortfalls(ANY, large) for name, host in HOSTS.items()}
    assert {name for name, reasons in short.items() if reasons} == {"render"}
    assert short["render"] == ["Needs about 600 MB; it gives 512 MB."]


def test_shortfalls_and_limits_are_plain_sentences() -> None:
    answers = Fit(traffic="thousands an hour")
    for host in (*HOSTS.values(), *DOCUMENTED):
        for text in [*host.list_shortfalls(answers), *host.describe_limits()]:
            assert re.fullmatch(r"[A-Z][^\n]{,80}\.", text), text


def test_documented_hosts_name_an_existing_heading() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/deploy.md").read_text(), re.MULTILINE)
    for host in DOCUMENTED:
        assert host.remarks.removeprefix("Steps: docs/deploy.md, ").removesuffix(".") in headings
        assert host.title not in {other.title for other in HOSTS.values()}
        assert all(line.startswith("https://") for line in host.sources.splitlines())
