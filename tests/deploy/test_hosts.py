"""One contract for every host: its files, its limits, what it says of itself."""

import os
import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from deploy.check.caddy import caddy_faults
from deploy.check.checking import State, check_files, check_limits, settings_known
from deploy.check.parsing import parse_all, variables
from deploy.errors import UnknownHost
from deploy.files import Written, files, write
from deploy.host import Budget, Host, Kind
from deploy.hosts import get_host, hosts
from deploy.schemas import faults, schema
from deploy.spec import APP
from model.settings import ROOT
from tests.tools import require_tool

every_host = pytest.mark.parametrize("host", hosts().values(), ids=lambda host: host.name)

ASKED_FOR = {
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
}


def test_these_hosts_are_known_and_each_module_is_one() -> None:
    modules = {path.stem for path in (ROOT / "deploy/hosts").glob("*.py")} - {"__init__"}
    assert set(hosts()) >= ASKED_FOR
    assert {name.replace("-", "_") for name in hosts()} == modules
    assert {host.kind for host in hosts().values()} == {
        Kind.PAAS,
        Kind.VPS,
        Kind.IAAS,
        Kind.ML_PAAS,
    }


def test_an_unknown_host_is_refused_with_the_list_of_hosts() -> None:
    with pytest.raises(UnknownHost, match="There is no host 'geocities'. Those known here: .*fly"):
        get_host("geocities")


@every_host
def test_what_is_written_into_an_empty_folder_passes(host: Host, tmp_path: Path) -> None:
    written = write(host, tmp_path)
    read = {path: (tmp_path / path).read_text(encoding="utf-8") for path in files(host)}
    assert set(written.values()) == {Written.NEW}
    assert [line for line in check_files(host, read) if line.state is State.FAILED] == []
    assert [line for line in check_limits(host) if line.state is State.FAILED] == []


@every_host
def test_every_file_but_caddys_has_a_closed_schema_with_its_documentation(host: Host) -> None:
    assert set(files(host)) - set(host.schemas) <= {"Caddyfile", "systemd/Caddyfile"}
    for name in host.schemas.values():
        assert "https://" in schema(name)["$comment"]
        assert faults(name, {**parse_all(files(host))[next(iter(host.schemas))], "extra": 1})


@every_host
def test_the_files_say_what_the_app_says(host: Host) -> None:
    documents = parse_all(files(host))
    health = host.at(documents, host.where.health)
    port = host.at(documents, host.where.port)
    if health is not None:
        assert health == host.given.get("AIP_HEALTH_ROUTE", APP.ready)
    if port is not None and host.port_variable is None:
        assert int(port) == APP.port
    where = host.where
    for value in (where.health, where.port, where.memory, where.data, *where.most):
        assert (host.at(documents, value) is None) == (value is None), value


@every_host
def test_no_more_instances_than_one_and_visitors_stay(host: Host) -> None:
    text = "\n".join([*files(host).values(), *host.steps, *host.remarks])
    if host.bounded_by is None:
        assert re.search(r"one (instance|process|machine)", text)
    else:
        assert host.bounded_by in text
    if host.affinity_by is not None:
        assert host.affinity_by in text
    if host.where.affinity is not None:
        assert host.at(parse_all(files(host)), host.where.affinity) == "true"


def test_hosts_that_can_keep_a_visitor_with_an_instance_do() -> None:
    named = {host.name for host in hosts().values() if host.affinity_by}
    assert named == {"cloud-run", "fly", "heroku"}


@every_host
def test_the_budget_alert_is_named_where_one_acts(host: Host) -> None:
    assert host.budget_alert
    assert any("Budget alert: " in step for step in host.steps)
    # JSON takes no comments.
    for path, text in files(host).items():
        if not path.endswith((".json", "Caddyfile")):
            assert "Budget alert: " in text, path


@every_host
def test_every_fact_has_a_source_with_the_day_on_which_it_was_read(host: Host) -> None:
    told = {
        name
        for name in host.limits.__dataclass_fields__
        if getattr(host.limits, name) not in (None, False)
    }
    paid = {"price"} if host.kind not in (Kind.VPS, Kind.IAAS) else set()
    assert set(host.sources) == told | paid | {"manifest"}
    for source in host.sources.values():
        assert source.url.startswith("https://")
        assert date(2026, 1, 1) < source.read < date(2100, 1, 1)
    assert host.price
    assert isinstance(host.budget, Budget)


def test_most_sources_were_read() -> None:
    """Of the others `show` says that they are cited by others."""
    found = [source.itself for host in hosts().values() for source in host.sources.values()]
    assert sum(found) > 0.6 * len(found)


@every_host
def test_every_setting_is_known_and_no_secret_is_in_a_file(host: Host) -> None:
    text = "\n".join(files(host).values())
    found = variables(host.at(parse_all(files(host)), host.where.environment))
    assert settings_known(found) == []
    assert settings_known(dict.fromkeys(re.findall(r"LOUPE_[A-Z_]+", text), "")) == []
    assert not set(found) & set(APP.secrets)
    assert not re.search(r"(?i)(password|token|api_?key)\s*[:=]\s*\S", text)
    assert not re.search(r"://[^/\s]+:[^/\s]+@", text)
    # Long text with digits in it would be a key.
    assert not re.search(r"\b(?=\w*\d)(?=\w*[A-Za-z])\w{24,}\b", text)


@every_host
def test_the_steps_name_the_command_and_tell_commands_from_clicks(host: Host) -> None:
    assert len(host.steps) >= 3
    words = " ".join(host.steps)
    assert f"deploy write {host.name}" in words or host.starts == "streamlit"
    for step in host.steps:
        assert not step.startswith("$") or step.startswith("$ ")


@every_host
def test_what_is_to_be_kept_is_mounted_or_the_host_says_that_it_is_lost(host: Host) -> None:
    text = "\n".join(files(host).values())
    if host.limits.keeps_files:
        assert APP.data in text or "StateDirectory=loupe" in text
    else:
        notes = " ".join(line.said for line in check_limits(host))
        assert "LOUPE_DATABASE" in notes


@pytest.mark.parametrize("name", ["vps-systemd", "cloud-init"])
def test_systemd_takes_the_unit_and_finds_it_safe(name: str, tmp_path: Path) -> None:
    analyze = require_tool("systemd-analyze")
    path = tmp_path / "loupe.service"
    unit = next(one for one in files(get_host("vps-systemd")) if one.endswith(".service"))
    text = files(get_host("vps-systemd"))[unit]
    if name == "cloud-init":
        written = parse_all(files(get_host(name)))["cloud-init.yaml"]["write_files"]
        alone = next(one["content"] for one in written if one["path"].endswith("service"))
        # The same unit; what is said above it is for who copies the file.
        assert text.endswith(alone)
        text = alone
    # Where the checkout is here, so that systemd finds the command.
    path.write_text(text.replace("/opt/loupe", str(ROOT)))
    checked = subprocess.run(
        [analyze, "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert str(path) not in checked.stderr
    assert checked.returncode == 0, checked.stderr
    safe = subprocess.run(
        [analyze, "security", "--offline=yes", "--threshold=25", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    # Exposure of at most 2.5 of 10: "OK".
    assert safe.returncode == 0, safe.stdout[-300:]


@pytest.mark.parametrize(
    ("name", "path"), [("vps-compose", "Caddyfile"), ("vps-systemd", "systemd/Caddyfile")]
)
def test_caddy_takes_its_file(name: str, path: str, tmp_path: Path) -> None:
    text = files(get_host(name))[path]
    (tmp_path / "Caddyfile").write_text(text)
    command = [require_tool("caddy"), "validate", "--adapter", "caddyfile", "--config", "Caddyfile"]
    site = {"PATH": os.environ["PATH"], "SITE": "loupe.example.org", "HOME": str(tmp_path)}
    checked = subprocess.run(
        command, cwd=tmp_path, env=site, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert caddy_faults(text) == ""
    assert "max_sizzle" in (caddy_faults(text.replace("max_size", "max_sizzle")) or "")
    assert "not formatted" not in checked.stderr
    # With one app behind it a health check would only keep it away for longer.
    assert "health_uri" not in text
    assert f"lb_try_duration {APP.start_seconds}s" in text


def test_a_space_turns_xsrf_protection_off_and_no_other_host() -> None:
    """A Space is shown in another domain's frame, where the cookie does not come back."""
    given = {host.name for host in hosts().values() if "SPACE_ID" in host.given}
    assert given == {"spaces"}
    told = "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION"
    assert told in (ROOT / "deploy/entrypoint.sh").read_text()
    for host in hosts().values():
        assert told not in "\n".join(files(host).values())
