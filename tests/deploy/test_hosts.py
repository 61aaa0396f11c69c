"""The contract of every host: its files, its limits, what it says of itself."""

import re
import shlex
import subprocess
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from deploy.check import State, check_files, find_unknown_settings
from deploy.errors import UnknownHost
from deploy.files import get_value, make_files, parse_files, parse_variables
from deploy.host import Host
from deploy.hosts import get_host, hosts
from deploy.options import Kind
from deploy.package import app_files
from deploy.spec import APP
from model.settings import ROOT
from tests.tools import require_tool

every_host = pytest.mark.parametrize("host", hosts().values(), ids=lambda host: host.name)
every_server = pytest.mark.parametrize(
    "host",
    [host for host in hosts().values() if host.has_server],
    ids=lambda host: host.name,
)

HOSTS = {
    "community-cloud",
    "spaces",
    "render",
    "railway",
    "fly",
    "cloud-run",
    "heroku",
    "vps-compose",
    "vps-systemd",
    "cloud-init",
    "sagemaker",
    "vertex",
    "static",
}
PHONE_PHOTO_MB = 5
"""A JPEG of twelve megapixels, which every host must let through."""


def all_text(host: Host) -> str:
    return "\n".join([*make_files(host).values(), *host.list_steps(), *host.remark_list])


def test_hosts_are_discovered_one_per_module() -> None:
    modules = {path.stem for path in (ROOT / "deploy/hosts").glob("*.py")} - {"__init__"}
    assert set(hosts()) >= HOSTS
    assert {name.replace("-", "_") for name in hosts()} == modules


def test_unknown_host_is_refused_with_a_list() -> None:
    with pytest.raises(UnknownHost, match="No host named 'geocities'. Available: .*fly"):
        get_host("geocities")


@every_host
def test_host_files_pass_the_check(host: Host) -> None:
    results = check_files(host)
    assert [result for result in results if result.state is State.FAILED] == []


@every_server
def test_host_is_large_enough_for_the_app(host: Host) -> None:
    limits = host.limits
    assert limits.memory_mb >= APP.memory_mb
    assert limits.start_seconds is None or limits.start_seconds >= APP.start_seconds
    assert limits.body_mb is None or limits.body_mb >= PHONE_PHOTO_MB


@every_host
def test_manifest_paths_lead_to_values(host: Host) -> None:
    documents, paths = parse_files(make_files(host)), host.manifest
    for path in (paths.environment, paths.port, paths.health, paths.memory):
        assert (get_value(documents, paths.file, path) is None) == (path is None), path


@every_server
def test_instances_are_limited_and_sticky_sessions_named(host: Host) -> None:
    text = all_text(host)
    if host.max_instances_via is None:
        assert re.search(r"Limited to one (instance|process|machine)", text)
    else:
        assert host.max_instances_via in text
    assert host.sticky_sessions_via is None or host.sticky_sessions_via in text


def test_hosts_with_sticky_sessions_use_them() -> None:
    with_setting = {host.name for host in hosts().values() if host.sticky_sessions_via}
    assert with_setting == {"cloud-run", "fly", "heroku"}


@every_host
def test_budget_alert_is_in_steps_and_files(host: Host) -> None:
    assert host.budget_alert
    assert any(step.startswith("Budget alert: ") for step in host.list_steps())
    for path, text in make_files(host).items():
        # JSON has no comments, and a list of packages no bill.
        if not path.endswith((".json", "Caddyfile", "requirements.txt")):
            assert "Budget alert: " in text, path


@every_host
def test_every_limit_has_a_source(host: Host) -> None:
    limits = host.limits
    given = {name for name in limits.__dataclass_fields__ if getattr(limits, name)}
    priced = set() if host.kind in (Kind.VPS, Kind.IAAS) else {"price"}
    documented = {fact for source in host.sources for fact in source.facts.split()}
    assert documented == given | priced | {"manifest"}
    for source in host.sources:
        assert source.url.startswith("https://")
        assert date.fromisoformat(source.read) > date(2026, 1, 1)


def test_most_sources_are_first_hand() -> None:
    sources = [source for host in hosts().values() for source in host.sources]
    assert sum(source.first_hand for source in sources) > 0.6 * len(sources)


@every_host
def test_settings_exist_and_no_secret_is_in_a_file(host: Host) -> None:
    text, paths = "\n".join(make_files(host).values()), host.manifest
    documents = parse_files(make_files(host))
    variables = parse_variables(get_value(documents, paths.file, paths.environment))
    assert find_unknown_settings(variables) == []
    assert (
        find_unknown_settings(dict.fromkeys(re.findall(r"LOUPE_[A-Z_]+", all_text(host)), "")) == []
    )
    assert not set(variables) & set(APP.secrets)
    assert not re.search(r"(?i)(password|token|api_?key)\s*[:=]\s*\S", text)
    assert not re.search(r"://[^/\s]+:[^/\s]+@", text)
    # A long word with digits in it would be a key.
    assert not re.search(r"\b(?=\w*\d)(?=\w*[A-Za-z])\w{24,}\b", text)


@every_host
def test_steps_write_the_files_and_mark_commands(host: Host) -> None:
    assert len(host.list_steps()) >= 3
    assert sum(f"deploy write {host.name}" in step for step in host.list_steps()) == 1
    for step in host.list_steps():
        assert step.startswith("$ ") or "$" not in step
    assert host.update_command().startswith(f"python -m deploy write {host.name}")


@pytest.mark.parametrize(
    "name", ["community-cloud", "render", "spaces", "vps-compose", "vps-systemd"]
)
def test_five_commands_lead_from_a_model_to_a_link(name: str) -> None:
    steps = get_host(name).list_steps(replace(APP, models=("mine",), builtin=False))
    first = next(i for i, step in enumerate(steps) if "deploy write" in step)
    assert sum(step.startswith("$ ") for step in steps[first:]) <= 5
    assert f"deploy write {name} --model mine" in steps[first]


@every_server
def test_model_and_settings_reach_the_host(host: Host) -> None:
    app = replace(APP, models=("mine",), builtin=False)
    text = "\n".join([*make_files(host, app).values(), *host.list_steps(app)])
    assert re.search(r"LOUPE_MODEL\W.{0,40}?\bmine\b", text, re.DOTALL)
    assert re.search(r"LOUPE_BUILTIN\W.{0,40}?\bfalse\b", text, re.DOTALL)
    assert f"{host.name} --model mine" in host.update_command(app)
    assert "SETTINGS" not in text + host.update_command(app)


@every_host
@pytest.mark.parametrize("name", ["on", "null", "123", "1e5", "0x1f", "1_000", "012", "2026-01-01"])
def test_name_of_a_model_stays_text_in_every_format(host: Host, name: str) -> None:
    documents = parse_files(make_files(host, replace(APP, models=(name,))))
    environment = get_value(documents, host.manifest.file, host.manifest.environment)
    assert parse_variables(environment).get("LOUPE_MODEL", name) == name


@every_server
def test_secret_is_made_by_a_command(host: Host) -> None:
    if host.has_page and host.name != "render":  # Render generates it
        assert "openssl rand -hex 32" in all_text(host)


@every_host
def test_every_placeholder_is_known_and_filled(host: Host) -> None:
    text = all_text(host) + host.update_command()
    assert not re.search(
        r"CHANGE-ME|\bYOU\b|(?<!--set YOUR\.DOMAIN=loupe\.)example\.org|<[A-Z]", text
    )
    for word in re.findall(r"\bYOUR[-.][A-Z-]+\b", text):
        assert word in host.placeholders
    for word in host.placeholders:
        assert re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text), word
    values = dict.fromkeys(host.placeholders, "a.b-c/d@e:1")
    files = make_files(host, APP, values)
    parse_files(files)
    filled = "\n".join([*files.values(), *host.list_steps(APP, values)])
    for word in host.placeholders:
        assert not re.search(rf"(?<!--set )(?<!\w){re.escape(word)}(?!\w)", filled), word


@every_host
def test_words_in_capitals_are_placeholders(host: Host) -> None:
    values = dict.fromkeys(host.placeholders, "x")
    commands = [step for step in host.list_steps(APP, values) if step.startswith("$ ")]
    text = re.sub(r"--set \S+?=", "", " ".join(commands))
    words = re.findall(r"(?<![\w$])[A-Z][A-Z-]{2,}(?![\w=])", text)
    assert set(words) <= {"HEAD", "AWS", "EMAIL", "ACTUAL"}


@every_server
def test_data_folder_is_mounted_or_documented_as_lost(host: Host) -> None:
    text = "\n".join(make_files(host).values())
    if host.keeps_files:
        assert APP.data_dir in text or "StateDirectory=loupe" in text
    elif host.has_page:
        assert "LOUPE_DATABASE" in all_text(host) or "external database" in all_text(host)


def test_cloud_init_writes_the_unit_of_the_systemd_host() -> None:
    unit = make_files(get_host("vps-systemd"))["systemd/loupe.service"]
    documents = parse_files(make_files(get_host("cloud-init")))
    written = {entry["path"]: entry for entry in documents["cloud-init.yaml"]["write_files"]}
    # The comments above it are for people who copy the file.
    assert unit.endswith(written["/etc/systemd/system/loupe.service"]["content"])


def test_only_spaces_turns_xsrf_protection_off() -> None:
    """A Space is shown in another domain's frame, to which the cookie does not come back."""
    variable = "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION"
    in_frames = {host.name for host in hosts().values() if "SPACE_ID" in host.start.provided_env}
    assert in_frames == {"spaces"}
    assert variable in (ROOT / "deploy/entrypoint.sh").read_text()
    assert not any(
        variable in text for host in hosts().values() for text in make_files(host).values()
    )


def test_install_script_is_valid_shell(tmp_path: Path) -> None:
    script = tmp_path / "install.sh"
    script.write_text(make_files(get_host("vps-systemd"))["systemd/install.sh"])
    subprocess.run(["sh", "-n", script], check=True)


@every_host
def test_commands_are_valid_shell(host: Host) -> None:
    for step in [*host.list_steps(), f"$ {host.update_command()}"]:
        if step.startswith("$ "):
            subprocess.run(["sh", "-n", "-c", step.removeprefix("$ ")], check=True)


def test_proxy_takes_what_the_app_takes() -> None:
    """Caddy's MiB are those of Streamlit, and a form around the file comes on top."""
    config = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    for name, path in (("vps-compose", "Caddyfile"), ("vps-systemd", "systemd/Caddyfile")):
        size = re.search(r"max_size (\d+)MiB", make_files(get_host(name))[path])
        assert size
        assert int(size[1]) > config["server"]["maxUploadSize"]


def test_space_is_titled_by_its_model() -> None:
    spaces = get_host("spaces")
    titles = {
        "Mushrooms": "Mushrooms",
        "ends in ---": r"ends in \-\-\-",
        "<b>\n*Yours*": r"\<b\> \*Yours\*",
        "": "Loupe",
    }
    for title, written in titles.items():
        text = make_files(spaces, replace(APP, model_title=title))["README.md"]
        heading = " ".join(title.split()) or "Loupe"
        assert parse_files({"README.md": text})["README.md"]["title"] == heading
        assert f"\n# {written}\n" in text


def test_server_gets_the_app_and_nothing_private(tmp_path: Path) -> None:
    rsync, host = require_tool("rsync"), get_host("vps-compose")
    here, server = tmp_path / "here", tmp_path / "server"
    wanted = {*app_files(APP), *make_files(host), *make_files(get_host("vps-systemd"))}
    wanted -= {".gitignore", ".streamlit/secrets.toml.example"}  # A repository's, not an app's.
    wanted |= {".dockerignore", "bundles/mine/bundle.json", "bundles/mine/graph.onnx"}
    private = ["export.pkl", "model/export.pkl", "corrections.zip", "bundles/backup.zip"]
    private += ["photos/me.jpg", ".streamlit/secrets.toml", ".env", ".git/config", "mine.txt"]
    private += [
        "bundles/.loupe-new-x/graph.onnx",
        "build/spaces/Dockerfile",
        "tests/x.py",
        "model/__pycache__/a.pyc",
        "ui/.env",
    ]
    for path in (*wanted, *private):
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
    assert {path for path, text in texts.items() if text != "server"} == wanted
    assert {path for path, text in texts.items() if text == "server"} == kept


def test_static_host_has_limits_on_files_and_ways_to_three_places() -> None:
    static = get_host("static")
    assert [host.name for host in hosts().values() if not host.has_server] == ["static"]
    assert (static.limits.memory_mb, static.limits.file_mb, static.limits.site_mb) == (0, 100, 1024)
    steps = "\n".join(static.list_steps(replace(APP, models=("mine",))))
    for place in ("GitHub Pages", "Static Space", "Another server", "http.server --directory"):
        assert place in steps
    assert "deploy write static --model mine" in steps
    assert make_files(static) == {}
