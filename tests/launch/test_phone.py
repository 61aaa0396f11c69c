"""``python -m launch.phone`` (``make phone``): the app over https, and the page with the steps."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from launch import phone
from model.settings import ROOT

# Simulates a private network with the loopback address.
ON_LOOPBACK = """
from launch import phone
phone.network_address = lambda: "127.0.0.1"
phone.is_private = lambda address: True
phone.main()
"""


@pytest.mark.parametrize(
    ("address", "reason"),
    [(None, "isn't on a network"), ("203.0.113.7", "isn't an address of a private network")],
)
def test_missing_private_address_is_explained(monkeypatch, data_folder, address, reason):
    monkeypatch.setattr(phone, "network_address", lambda: address)
    monkeypatch.setattr(sys, "argv", ["phone"])
    with pytest.raises(SystemExit, match=reason):
        phone.main()
    assert not (data_folder / "phone").exists()


@pytest.mark.slow
def test_a_phone_installs_the_certificate_and_opens_the_app(tmp_path):
    environment = {**os.environ, "LOUPE_DATA": str(tmp_path), "LOUPE_NPM": "false"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", ON_LOOPBACK],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        printed = wait_for(lambda: re.search(r"SHA-256: [0-9A-F ]+\n", log.read_text()) and log)
        text = printed.read_text()
        app = re.search(r"on this network: +(https://\S+)", text)[1]
        page = re.search(r"each phone: (http://\S+)", text)[1]
        shown = fetch(page)
        assert app in shown.decode()
        der = fetch(page + phone.CA_PATH)
        ca = x509.load_der_x509_certificate(der)
        fingerprint = ca.fingerprint(hashes.SHA256()).hex(" ").upper()
        assert fingerprint in text
        assert fingerprint not in shown.decode()
        trusting = ssl.create_default_context(cadata=der)
        assert wait_for(lambda: answers(f"{app}/_stcore/health", trusting)) == b"ok"
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(app, ssl.create_default_context())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(f"{page}/../ca-key.pem")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0


def fetch(url, context=None):
    with urllib.request.urlopen(url, timeout=10, context=context) as response:
        return response.read()


def answers(url, context):
    try:
        return fetch(url, context)
    except OSError:
        return None


def wait_for(ask, seconds=90):
    deadline = time.monotonic() + seconds
    while not (result := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return result
