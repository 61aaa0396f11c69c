"""``python -m launch.phone`` (``make phone``): certificates, the app and the page with steps."""

import datetime as dt
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from launch import local_ca, phone
from launch.local_ca import is_private, open_local_ca
from model.settings import ROOT
from tests.waiting import wait_until

LOOPBACK = IPv4Address("127.0.0.1")


def handshake(ca, certificate, key, host):
    """Connect to a TLS server with that certificate as a client that trusts only the authority."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=ca.folder / "ca.pem")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for end in 2 * ends:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert all(end.version() for end in ends), "the handshake isn't complete"


def test_a_client_that_trusts_the_authority_accepts_its_certificates(tmp_path):
    ca = open_local_ca(tmp_path / "phone")
    certificate, key = ca.issue(LOOPBACK)
    handshake(ca, certificate, key, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        handshake(ca, certificate, key, "127.0.0.2")


def test_no_certificate_for_public_addresses_and_names(tmp_path, monkeypatch):
    assert is_private(IPv4Address("192.168.1.20"))
    assert is_private(IPv4Address("172.31.255.255"))
    ca = open_local_ca(tmp_path / "phone")
    for address in map(IPv4Address, ("8.8.8.8", "172.32.0.1", "192.0.2.7", "100.64.0.1")):
        with pytest.raises(ValueError, match="not an address of a private network"):
            ca.issue(address)
        # The key can sign such a certificate; clients refuse it by the name constraints.
        with monkeypatch.context() as patch:
            patch.setattr(local_ca, "is_private", lambda _: True)
            certificate, key = ca.issue(address)
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
            handshake(ca, certificate, key, str(address))
    monkeypatch.setattr(x509, "IPAddress", lambda _: x509.DNSName("bank.example"))
    certificate, key = ca.issue(LOOPBACK)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(ca, certificate, key, "bank.example")


def test_the_authority_is_for_servers_at_private_addresses_alone(tmp_path):
    extensions = open_local_ca(tmp_path / "phone").certificate.extensions
    uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    permitted = extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    names = {type(name): name.value for name in permitted if not isinstance(name, x509.IPAddress)}
    kinds = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)
    assert names == dict.fromkeys(kinds, "invalid")


def test_keys_are_readable_by_their_owner_alone(tmp_path):
    ca = open_local_ca(tmp_path / "phone")
    _, key = ca.issue(LOOPBACK)
    for path in (key, ca.folder / "ca-key.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_authority_is_kept_until_it_is_damaged_or_expires(tmp_path, monkeypatch):
    folder = tmp_path / "phone"
    first = open_local_ca(folder)
    assert open_local_ca(folder).der == first.der
    (folder / "ca.pem").write_bytes(b"damaged")
    second = open_local_ca(folder)
    assert second.der != first.der
    # The key of another authority.
    (folder / "ca.pem").write_bytes(first.certificate.public_bytes(serialization.Encoding.PEM))
    third = open_local_ca(folder)
    assert third.der not in {first.der, second.der}
    monkeypatch.setattr(local_ca, "RENEW_BEFORE", local_ca.CA_LIFETIME + dt.timedelta(days=1))
    assert open_local_ca(folder).der != third.der


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
        wait_until(lambda: re.search(r"SHA-256: [0-9A-F ]+\n", log.read_text()), 90)
        text = log.read_text()
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
        wait_until(lambda: fetch(f"{app}/_stcore/health", trusting) == b"ok", 90)
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
