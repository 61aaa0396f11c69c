"""The contract of every host: its files, its limits, its description."""

import re
import shlex
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from deploy.check import check_settings
from deploy.comparison import State
from deploy.files import read_settings
from deploy.host import Host, Kind
from deploy.hosts import HOSTS
from deploy.package import app_files
from deploy.spec import APP
from model.settings import ROOT
from tests.tools import require_tool

every_host = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
every_server = pytest.mark.parametrize(
    "host", [host for host in HOSTS.values() if host.has_server], ids=lambda host: host.name
)


def all_text(host: Host) -> str:
    return "\n".join([*host.make_files().values(), *host.list_steps(), host.remarks])


def test_every_module_is_a_host() -> None:
    modules = {path.stem for path in (ROOT / "deploy/hosts").glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in HOSTS} == modules


@every_server
def test_host_is_large_enough_for_the_app(host: Host) -> None:
    limits = host.limits
    assert limits.memory_mb >= APP.memory_mb
    assert limits.start_seconds is None or limits.start_seconds >= APP.start_seconds


@every_server
def test_instances_are_limited_to_one(host: Host) -> None:
    if host.kind is Kind.CLUSTER:
        assert "max_replicas: MAX_REPLICAS" in all_text(host)
        return
    assert re.search(r"Limited to one|keeps it at one instance", host.remarks)
    setting = {
        "cloud-run": "maxScale: '1'",
        "render": "numInstances: 1",
        "sagemaker": "--max-capacity 1",
        "vertex": "--max-replica-count=1",
        "vps-compose": "scale: 1",
        "cloud-init": "scale: 1",
    }
    assert setting.get(host.name, "") in all_text(host)


@every_host
def test_every_limit_has_a_source(host: Host) -> None:
    limits = {
        "memory": host.limits.memory_mb,
        "cores": host.limits.cpu,
        "sleeps": host.limits.sleeps,
        "start": host.limits.start_seconds,
        "disk": host.limits.keeps_files,
        "price": host.kind not in (Kind.VPS, Kind.IAAS, Kind.CLUSTER),
        "files": True,
    }
    lines = [line.removesuffix(" (cited)").split(" ", 1) for line in host.sources.splitlines()]
    documented = {fact for _, facts in lines for fact in facts.split(", ")}
    assert documented == {name for name, value in limits.items() if value}
    assert all(url.startswith("https://") for url, _ in lines)
    is_alert_first = host.list_steps()[0].startswith("Budget alert: ")
    assert is_alert_first == (host.name not in ("static", "community-cloud"))


@every_server
def test_settings_exist_and_no_secret_is_in_a_file(host: Host) -> None:
    settings = read_settings(host.make_files())
    (result,) = check_settings(settings)
    assert result.state is State.OK
    # A Space gets its settings by commands.
    assert ("LOUPE_MEMORY_MB" in settings) == (host.name != "spaces")
    assert not set(settings) & set(APP.secrets)
    assert f"LOUPE_MEMORY_MB={host.limits.memory_mb}" in all_text(host) or settings
    if host.has_page and host.name != "render":  # Render generates it
        assert "openssl rand -hex 32" in all_text(host)
    if not host.limits.keeps_files and host.has_page:
        assert "LOUPE_DATABASE" in all_text(host)


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
def test_every_placeholder_is_known_and_filled(host: Host) -> None:
    text = all_text(host) + host.update_command()
    assert not re.search(r"CHANGE-ME|\bYOU\b|example\.org|<[A-Z]", text)
    for word in re.findall(r"\bYOUR[-.][A-Z-]+\b", text):
        assert word in host.placeholders
    for word in host.placeholders:
        assert re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text), word
    values = dict.fromkeys(host.placeholders, "a.b-c/d@e:1")
    files = host.make_files(APP, values)
    filled = "\n".join([*files.values(), *host.list_steps(APP, values)])
    for word in host.placeholders:
        assert not re.search(rf"(?<!--set )(?<!\w){re.escape(word)}(?!\w)", filled), word


@every_host
def test_words_in_capitals_are_placeholders(host: Host) -> None:
    values = dict.fromkeys(host.placeholders, "x")
    commands = [step for step in host.list_steps(APP, values) if step.startswith("$ ")]
    text = re.sub(r"--set \S+?=", "", " ".join(commands))
    words = re.findall(r"(?<![\w$])[A-Z][A-Z-]{2,}(?![\w=])", text)
    assert set(words) <= {"AWS", "COST", "EMAIL", "ACTUAL", "MONTHLY", "USD"}


def test_machine_starts_the_compose_file_of_the_repository() -> None:
    files = HOSTS["cloud-init"].make_files()
    document = yaml.safe_load(files.pop("cloud-init.yaml"))
    assert files == HOSTS["vps-compose"].make_files()
    (command,) = document["runcmd"]
    subprocess.run(["sh", "-n", "-c", command], check=True)
    assert command.endswith("docker compose up --detach --build")
    assert f"data:{APP.data_dir}" in files["compose.yaml"]


def test_update_on_a_later_day_replaces_the_version_that_is_charged() -> None:
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


@every_host
def test_commands_are_valid_shell(host: Host) -> None:
    for step in [*host.list_steps(), f"$ {host.update_command()}"]:
        if step.startswith("$ "):
            subprocess.run(["sh", "-n", "-c", step.removeprefix("$ ")], check=True)


def test_proxy_accepts_the_largest_upload() -> None:
    """Caddy and Streamlit count in MiB; the form around the file is added to that."""
    config = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    size = re.search(r"max_size (\d+)MiB", HOSTS["vps-compose"].make_files()["Caddyfile"])
    assert size
    assert int(size[1]) > config["server"]["maxUploadSize"]


def test_space_is_titled_by_its_model() -> None:
    spaces = HOSTS["spaces"]
    titles = {
        "Mushrooms": "Mushrooms",
        "ends in ---": r"ends in \-\-\-",
        "<b>\n*Yours*": r"\<b\> \*Yours\*",
        "": "Loupe",
    }
    for title, written in titles.items():
        text = spaces.make_files(replace(APP, model_title=title))["README.md"]
        heading = " ".join(title.split()) or "Loupe"
        assert yaml.safe_load(text.removeprefix("---\n").split("\n---\n")[0])["title"] == heading
        assert f"\n# {written}\n" in text


def test_server_gets_the_app_and_nothing_private(tmp_path: Path) -> None:
    rsync, host = require_tool("rsync"), HOSTS["vps-compose"]
    here, server = tmp_path / "here", tmp_path / "server"
    expected = {*app_files(APP), *host.make_files()}
    expected -= {".gitignore", ".streamlit/secrets.toml.example"}  # A repository's, not an app's.
    expected |= {".dockerignore", "bundles/mine/bundle.json", "bundles/mine/graph.onnx"}
    private = ["export.pkl", "model/export.pkl", "corrections.zip", "bundles/backup.zip"]
    private += ["photos/me.jpg", ".streamlit/secrets.toml", ".env", ".git/config", "mine.txt"]
    private += [
        "bundles/.loupe-new-x/graph.onnx",
        "build/spaces/Dockerfile",
        "tests/x.py",
        "model/__pycache__/a.pyc",
        "ui/.env",
    ]
    for path in (*expected, *private):
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
    texts = {
        path.relative_to(server).as_posix(): path.read_text()
        for path in server.rglob("*")
        if path.is_file()
    }
    assert {path for path, text in texts.items() if text != "server"} == expected
    assert {path for path, text in texts.items() if text == "server"} == kept
