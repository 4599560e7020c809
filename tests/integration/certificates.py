"""Certificates that no honest authority of ours would make."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def make_ended(certs: Path) -> None:
    """Writes a client's certificate of the CA in `certs` that ended yesterday: ended.pem and its key."""
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    _write(certs, "ended", ExtendedKeyUsageOID.CLIENT_AUTH, now - 3 * DAY, now - DAY, "127.0.0.1")


def make_elsewhere(certs: Path) -> None:
    """Writes a server's certificate of the CA in `certs` for a host that nobody is: elsewhere.pem."""
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    _write(certs, "elsewhere", ExtendedKeyUsageOID.SERVER_AUTH, now - DAY, now + 90 * DAY, "192.0.2.1")


def _write(
    certs: Path,
    name: str,
    use: x509.ObjectIdentifier,
    begins: datetime.datetime,
    ends: datetime.datetime,
    host: str,
) -> None:
    ca = x509.load_pem_x509_certificate((certs / "ca.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((certs / "ca-key.pem").read_bytes(), password=None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(names, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (certs / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (certs / f"{name}-key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
