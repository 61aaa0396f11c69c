"""The check of a running app at its address, against real servers and pages of others."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit

from deploy import client, remote
from deploy.comparison import CheckResult, State
from deploy.errors import DeployError
from deploy.hosts import HOSTS
from deploy.remote import check_url
from model import Bundle
from tests.http_server import NO_HEADERS, Handler, http_server
from tests.model.tiny import tiny

STREAMLIT_PAGE = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
READY = "/api/ready"


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


def ask(url: str, model: str | None = None) -> CheckResult:
    return next(iter(check_url(url, model)))


def ready(bundle: Bundle, **changes: str) -> str:
    document = {"status": "ready", "model": bundle.name, "version": bundle.version}
    return json.dumps({**document, "models": [{"name": bundle.name}], **changes})


def test_same_version_as_on_this_machine_passes(tiny_bundle: Bundle) -> None:
    with site(body=ready(tiny_bundle)) as address:
        (result,) = check_url(f"http://{address}")
    assert result.state is State.OK
    assert f"'tiny', version {tiny_bundle.version}" in result.message


def test_another_version_fails_with_the_command_that_updates_it(tiny_bundle: Bundle) -> None:
    with site(body=ready(tiny_bundle, version="0" * 12)) as address:
        result = next(iter(check_url(f"http://{address}", host=HOSTS["render"])))
    assert result.state is State.FAILED
    assert "0" * 12 in result.message
    assert result.fix.startswith("Update it: python -m deploy write render --model tiny")
    assert "git push" in result.fix


def test_model_that_this_machine_does_not_have_fails(tiny_bundle: Bundle) -> None:
    with site(body=ready(tiny_bundle, model="mushrooms")) as address:
        result = ask(f"http://{address}")
    assert result.state is State.FAILED
    assert "the app opens 'mushrooms', version " in result.message


def test_model_other_than_this_machines_default_is_noted(
    tiny_bundle: Bundle, calibrated_bundle: Bundle, models_dir: Path
) -> None:
    newest = tiny(models_dir, "newest")
    with site(body=ready(tiny_bundle)) as address:
        result, note = check_url(f"http://{address}")
    assert (result.state, note.state) == (State.OK, State.NOTE)
    assert f"--model {newest.name}" in note.message


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (503, '{"status": "not ready", "code": "no-such-model"}', "isn't ready: no-such-model"),
        (503, '{"status": "not ready", "code": "\\u001b[31m"}', "not ready (HTTP 503)"),
        (200, '{"model": "\\u001b[31m", "version": "1"}', "not Loupe"),
        (200, '{"model": "tiny"}', "not Loupe"),
        (200, STREAMLIT_PAGE, "Streamlit runs there without Loupe's routes"),
        (200, "[" * 100_000, "not Loupe"),
        (404, "", "not Loupe, or not ready (HTTP 404)"),
        (502, "", "not Loupe, or not ready (HTTP 502)"),
    ],
)
def test_pages_other_than_the_app_are_described(
    status: int, body: str, message: str, data_folder: Path
) -> None:
    with site(status, body) as address:
        result = ask(f"http://{address}")
    assert result.state is State.FAILED
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
    assert remote._parse_url(url) == base


@pytest.mark.parametrize(
    "url",
    [
        "loupe.example.org",
        "file:///etc/passwd",
        "ftp://loupe.example.org",
        "https://",
        "https://me:secret@loupe.example.org",
        "https://loupe.example.org:port",
        "https://a..b/",
        "http://[::1",
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
        assert ask(f"http://{address}").state is State.OK


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


def test_connection_errors_are_explained(data_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}").message == "not reachable: Connection refused"
    assert ask("https://loupe.invalid").message == "there is no host of that name"
    with site() as address:
        assert ask(f"https://{address}").message == "there is no HTTPS at this address"


def test_self_signed_certificate_fails(tmp_path: Path, data_folder: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=loupe"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        capture_output=True,
        check=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with site(wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as address:
        result = ask(f"https://{address}")
    assert result.message.startswith("the certificate isn't valid: self-signed certificate")
