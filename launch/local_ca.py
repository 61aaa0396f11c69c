"""A certificate authority of this machine's own, for https on the local network.

Anyone with its key could deceive a phone that trusts it. So its certificate is limited to addresses
of private networks (X.509 name constraints, RFC 5280, section 4.2.1.10), which trustme can't do,
and the key stays in the data folder, readable by its owner alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from model.storage.disk import make_folder, replace_atomically

PRIVATE_NETWORKS = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""The networks for whose addresses certificates are issued (RFC 1918)."""

LOOPBACK = IPv4Network("127.0.0.0/8")
CA_LIFETIME = timedelta(days=730)
CERTIFICATE_LIFETIME = timedelta(days=90)
RENEW_BEFORE = timedelta(days=30)
"""A certificate authority that expires sooner is replaced."""
CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True)
class LocalCa:
    """A certificate authority and the folder that holds it."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """Its certificate in DER, the form that phones install."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its certificate, as phones show it: 'AB CD …'."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(" ").upper()

    def issue(self, address: IPv4Address) -> tuple[Path, Path]:
        """Write a certificate for an address and return its path and its key's.

        Raises:
            ValueError: the address is not one of a private network.
            OSError: the folder can't be written.
        """
        if not is_private(address) and address not in LOOPBACK:
            raise ValueError(f"{address} is not an address of a private network.")
        key = ec.generate_private_key(ec.SECP256R1())
        # Not a host name, which the name constraints would not permit.
        subject, issuer = _name(f"Loupe at {address}"), self.certificate.subject
        certificate = (
            _start(subject, issuer, key, CERTIFICATE_LIFETIME)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        paths = self.folder / "certificate.pem", self.folder / "certificate-key.pem"
        _write(paths[0], certificate.public_bytes(serialization.Encoding.PEM))
        _write(paths[1], _key_bytes(key))
        return paths


def is_private(address: IPv4Address) -> bool:
    """Return True if an address belongs to a private network."""
    return any(address in network for network in PRIVATE_NETWORKS)


def open_local_ca(folder: Path) -> LocalCa:
    """Return the certificate authority in ``folder``, a new one if there is none.

    One that is damaged or expires within ``RENEW_BEFORE`` is replaced; phones then have to trust
    the new one.

    Raises:
        OSError: the folder can't be read or written.
    """
    make_folder(folder)
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca-key.pem").read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return _make_ca(folder)
    if (
        isinstance(key, ec.EllipticCurvePrivateKey)
        and certificate.public_key() == key.public_key()
        and certificate.not_valid_after_utc > datetime.now(UTC) + RENEW_BEFORE
    ):
        return LocalCa(folder, certificate, key)
    return _make_ca(folder)


def _make_ca(folder: Path) -> LocalCa:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Loupe on this network ({datetime.now(UTC):%Y-%m-%d})")
    networks = [x509.IPAddress(network) for network in (*PRIVATE_NETWORKS, LOOPBACK)]
    # Permit no real domain or e-mail address: ".invalid" is reserved (RFC 2606).
    kinds = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)
    permitted = [*networks, *(kind("invalid") for kind in kinds)]
    certificate = (
        _start(name, name, key, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(
            x509.KeyUsage(
                key_cert_sign=True,
                crl_sign=True,
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca-key.pem", _key_bytes(key))
    _write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
    return LocalCa(folder, certificate, key)


def _name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])


def _start(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    """Return what the certificates of the authority and of addresses have in common."""
    public_key, now = key.public_key(), datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # Phones' clocks may be behind.
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def _write(path: Path, data: bytes) -> None:
    with replace_atomically(path) as new:
        new.touch(mode=0o600)
        new.chmod(0o600)
        new.write_bytes(data)
