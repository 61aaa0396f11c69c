"""The check of a host's files, of the model that opens, and of an app at its address."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit

from deploy import client
from deploy.check import check_host, check_placeholders, check_url, parse_url
from deploy.files import write_files
from deploy.host import Host
from deploy.hosts import HOSTS
from deploy.results import CheckResult, ExpectedModel
from deploy.spec import DeployError
from model import Bundle
from model.errors import BundleNotFound
from tests.http_server import NO_HEADERS, Handler, http_server
from tests.model.tiny import tiny
from tests.tools import require_tool

RENDER = HOSTS["render"]
STREAMLIT_PAGE = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()


def check(host: Host, folder: Path, model: str | None = None) -> dict[str, CheckResult]:
    """Check without a start; return the results by subject, each failure with a fix."""
    results = list(check_host(host, folder, model, start=False))
    assert all(result.fix for result in results if result.state == "failed")
    return {result.subject: result for result in results}


def test_placeholder_fails_with_its_line_and_description() -> None:
    text = "services:\n- image: REGION-docker.pkg.dev/PROJECT/x # REGION\n"
    first, second = check_placeholders(HOSTS["cloud-run"], {"service.yaml": text})
    assert first.message == "REGION is still a placeholder"
    assert (second.subject, second.state) == ("service.yaml, line 2", "failed")
    fix = "Replace it with the project's ID, or run `write` with --set PROJECT=…"
    assert second.fix == fix


def test_files_are_read_from_the_folder(tmp_path: Path, data_folder: Path) -> None:
    assert "checked as `write` would make it" in check(RENDER, tmp_path)["render.yaml"].message
    write_files(RENDER, tmp_path)
    assert check(RENDER, tmp_path)["settings"].message == "LOUPE_LOG, LOUPE_MEMORY_MB"
    file = tmp_path / "render.yaml"
    file.write_text(file.read_text().replace("LOUPE_LOG", "LOUPE_LOGS"))
    assert check(RENDER, tmp_path)["settings"].state == "failed"
    file.write_bytes(b"\xff")
    result = check(RENDER, tmp_path)["files"]
    assert result.message == "render.yaml can't be read: it is not UTF-8 text."
    assert "python -m deploy write render --force" in result.fix


def test_model_that_is_not_on_this_machine_fails(tmp_path: Path, data_folder: Path) -> None:
    result = check(RENDER, tmp_path, "mushrooms")["model"]
    assert result.state == "failed"
    assert "'mushrooms'" in result.message
    assert "--model" in result.fix


def test_compose_file_matches_the_compose_specification(tmp_path: Path) -> None:
    """Docker itself is too large a tool for a test."""
    file = tmp_path / "compose.yaml"
    file.write_text(HOSTS["vps-compose"].make_files()["compose.yaml"])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_caddyfile_is_valid_formatted_and_retries_without_health_checks(tmp_path: Path) -> None:
    caddy = require_tool("caddy")
    text = HOSTS["vps-compose"].make_files()["Caddyfile"]
    (tmp_path / "Caddyfile").write_text(text)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SITE": "loupe.example.org"}
    for command in (["fmt", "--diff"], ["validate", "--adapter", "caddyfile", "--config"]):
        words = [caddy, *command, "Caddyfile"]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "lb_try_duration 15s" in text
    assert "health_uri" not in text


@pytest.mark.parametrize(
    ("opened", "version", "offered", "message"),
    [
        ("tiny", "VERSION", [], "'tiny', version VERSION, as on this machine; proved"),
        ("tiny", "0" * 12, [], "'tiny' is version 000000000000, but on this machine it is VERSION"),
        ("other", "VERSION", ["tiny"], "the app opens 'other', and offers 'tiny' beside it"),
        ("other", "VERSION", [], "the host has no model 'tiny'; the app opens 'other'"),
        (None, None, [], "the host has no model 'tiny'"),
    ],
)
def test_model_is_compared_by_name_and_version(
    opened: str | None, version: str | None, offered: list[str], message: str, tiny_bundle: Bundle
) -> None:
    here = tiny_bundle.version
    shown = here if version == "VERSION" else version
    expected = ExpectedModel.find("tiny", "the host has", None)
    result = expected.compare(opened, shown, offered, "proved")
    assert result.message == message.replace("VERSION", here)
    assert (result.state == "ok") == (opened == "tiny" and shown == here)
    assert result.state == "ok" or "python -m deploy write HOST --model tiny" in result.fix


def test_expected_model_is_by_default_the_one_that_opens(tiny_bundle: Bundle) -> None:
    assert ExpectedModel.find(None, "", None).bundle.name == "tiny"
    with pytest.raises(BundleNotFound):
        ExpectedModel.find("mushrooms", "", None)


@contextmanager
def site(
    status: int = 200,
    body: str = "",
    headers: Mapping[str, str] = NO_HEADERS,
    wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain,
) -> Iterator[str]:
    """Serve one response at every path; yield the address without its scheme."""

    class Site(Handler):
        def do_GET(self) -> None:
            self.respond(status, body.encode(), headers)

    with http_server(Site, wrap) as address:
        yield f"{address.removeprefix('http://')}/"


def ask(url: str, host: Host | None = None) -> CheckResult:
    return next(iter(check_url(url, host=host)))


def ready(bundle: Bundle, **changes: str) -> str:
    document = {"status": "ready", "model": bundle.name, "version": bundle.version}
    return json.dumps({**document, "models": [{"name": bundle.name}], **changes})


@pytest.mark.parametrize(
    ("changes", "message", "fix"),
    [
        ({"version": "0" * 12}, "version 000000000000, but on this", "Update it: python -m deploy"),
        ({"model": "mushrooms"}, "the app opens 'mushrooms', version ", "python -m model list"),
    ],
)
def test_app_is_compared_by_the_model_that_it_reports(
    changes: dict[str, str], message: str, fix: str, tiny_bundle: Bundle
) -> None:
    with site(body=ready(tiny_bundle, **changes)) as address:
        (result,) = check_url(f"http://{address}", host=RENDER)
    assert result.state == "failed"
    assert message in result.message
    assert fix in result.fix


def test_model_other_than_this_machines_default_is_noted(
    tiny_bundle: Bundle, calibrated_bundle: Bundle, models_dir: Path
) -> None:
    newest = tiny(models_dir, "newest")
    with site(body=ready(tiny_bundle)) as address:
        result, note = check_url(f"http://{address}")
    assert (result.state, note.state) == ("ok", "note")
    assert f"--model {newest.name}" in note.message


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (503, '{"status": "not ready", "code": "no-such-model"}', "isn't ready: no-such-model"),
        (503, '{"status": "not ready", "code": "\\u001b[31m"}', "not ready (HTTP 503)"),
        (200, '{"model": "\\u001b[31m", "version": "1"}', "not Loupe"),
        (200, STREAMLIT_PAGE, "Streamlit runs there without Loupe's routes"),
        (200, "[" * 100_000, "not Loupe"),
        (502, "", "not Loupe, or not ready (HTTP 502)"),
    ],
)
def test_pages_other_than_the_app_are_described(
    status: int, body: str, message: str, data_folder: Path
) -> None:
    with site(status, body) as address:
        result = ask(f"http://{address}")
    assert result.state == "failed"
    assert message in result.message
    assert result.fix


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://loupe.example.org", "https://loupe.example.org"),
        ("https://loupe.example.org:8443/a/?model=x#y", "https://loupe.example.org:8443/a"),
        ("http://[::1]:8501/", "http://[::1]:8501"),
        ("https://füchse.example/ä", "https://xn--fchse-kva.example/%C3%A4"),
        ("https://mine.streamlit.app/?embed=true", "https://mine.streamlit.app/~/+"),
        ("https://mine.streamlit.app/~/+/", "https://mine.streamlit.app/~/+"),
    ],
)
def test_address_may_have_a_path(url: str, base: str) -> None:
    assert parse_url(url) == base


@pytest.mark.parametrize(
    "url",
    [
        *("loupe.example.org", "file:///etc/passwd", "ftp://loupe.example.org", "https://"),
        *("https://me:secret@loupe.example.org", "https://loupe.example.org:port"),
        *("https://a..b/", "http://[::1"),
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(DeployError, match="is not the address of a page"):
        list(check_url(url))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/api/ready"])
def test_redirects_lead_only_to_pages(target: str, data_folder: Path) -> None:
    with site(302, headers={"Location": target}) as address:
        result = ask(f"http://{address}")
    assert result.message == "not Loupe, or not ready (HTTP 302)"


def test_redirect_to_the_app_is_followed(tiny_bundle: Bundle) -> None:
    with (
        site(body=ready(tiny_bundle)) as app,
        site(307, headers={"Location": f"http://{app}"}) as address,
    ):
        assert ask(f"http://{address}").state == "ok"


def test_long_response_is_cut(monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> None:
    monkeypatch.setattr(client, "MAX_REPLY_BYTES", 1000)
    with site(body="x" * 10_000_000) as address:
        assert "not Loupe" in ask(f"http://{address}").message


def test_dripping_response_ends_at_the_time_limit(data_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(TimeoutError):
            client.send(f"http://127.0.0.1:{server.getsockname()[1]}/", 0.5)
        stop.set()
        thread.join()


def test_connection_errors_are_explained(tmp_path: Path, data_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}").message == "not reachable: Connection refused"
    assert ask("https://loupe.invalid").message == "there is no host of that name"
    with site() as address:
        assert ask(f"https://{address}").message == "there is no HTTPS at this address"
    files = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem"))
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=loupe")
    subprocess.run([*command, *files], capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[3], files[1])
    with site(wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as address:
        message = ask(f"https://{address}").message
    assert message.startswith("the certificate isn't valid: self-signed certificate")
