"""The contract of every host: its files, its limits, what it says of itself."""

import re
from datetime import date

import pytest

from deploy.check import State, check_files, find_unknown_settings
from deploy.errors import UnknownHost
from deploy.files import get_value, make_files, parse_files, parse_variables
from deploy.host import Host
from deploy.hosts import get_host, hosts
from deploy.options import Kind
from deploy.spec import APP
from model.settings import ROOT

every_host = pytest.mark.parametrize("host", hosts().values(), ids=lambda host: host.name)

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
}
PHONE_PHOTO_MB = 5
"""A JPEG of twelve megapixels, which every host must let through."""


def all_text(host: Host) -> str:
    return "\n".join([*make_files(host).values(), *host.step_list, *host.remark_list])


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


@every_host
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


@every_host
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
    assert any(step.startswith("Budget alert: ") for step in host.step_list)
    for path, text in make_files(host).items():
        # JSON has no comments.
        if not path.endswith((".json", "Caddyfile")):
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
    assert len(host.step_list) >= 3
    assert f"deploy write {host.name}" in " ".join(host.step_list) or host.name == "community-cloud"
    for step in host.step_list:
        assert step.startswith("$ ") or "$" not in step


@every_host
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


def test_space_tracks_every_binary_file_with_lfs() -> None:
    """A Space refuses a push with binary files outside LFS."""
    files = [path for name in ("model", "docs") for path in (ROOT / name).rglob("*.*")]
    binary = {path.suffix for path in files if path.is_file() and b"\0" in path.read_bytes()}
    tracked = set(re.findall(r"'\*(\.\w+)'", get_host("spaces").steps))
    assert binary - {".pyc"} == tracked
