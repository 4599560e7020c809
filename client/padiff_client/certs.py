"""A small certificate authority in a folder, and certificates of it.

`cryptography` comes with the extra padiff-rpc[certs] and is imported when used.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import said_by, shown
from padiff_rpc.paths import checked_path
from padiff_rpc.records import record

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

CA = "ca"
# Of files, too.
_CLIENT_NAME = re.compile(r"(?!.*-key$)[A-Za-z0-9][\w.-]*", re.ASCII)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
# Clocks of other machines may be a little behind.
_BACKDATED = datetime.timedelta(minutes=5)


@record
class _Role:
    """Who shows a certificate: with `serves` to those who call, with `calls` to those who are called."""

    name: str
    serves: bool
    calls: bool


_ROLES = (
    _Role(name="server", serves=True, calls=True),  # the coordinator calls the workers
    _Role(name="worker", serves=True, calls=False),
    _Role(name="client", serves=False, calls=True),
)


def make_certificates(folder: str, hosts: Sequence[str], *, days: int, force: bool) -> tuple[str, ...]:
    """Writes a CA and certificates for server, worker and client into `folder`; returns the files' paths.

    `hosts` are names and IP addresses under which coordinators and workers are called, beside this
    machine's own. Everything ends after so many `days`. Keys are readable by their owner alone. Raises
    InvalidRequestError where files are in the way, unless `force`.
    """
    require_cryptography()
    _check_days(days)
    names = [_general_name(host) for host in dict.fromkeys((*LOCAL_HOSTS, *hosts))]
    place = Path(checked_path(folder, field="DIR"))
    files = _files(place, [CA, *(role.name for role in _ROLES)])
    _check_absent(
        files, force=force, else_said="makes all certificates anew, and every machine needs the new ones then"
    )
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _new_key()
    authority = _Authority(key=key, certificate=_certificate_of_authority(key, _ends(days)), days=days)
    _write(place, CA, authority.certificate, key)
    for role in _ROLES:
        authority.write(place, role, f"padiff {role.name}", names if role.serves else [])
    return tuple(str(file) for file in files)


def make_client_certificate(folder: str, client: str, *, days: int, force: bool) -> tuple[str, ...]:
    """Writes a certificate by which a coordinator knows one client, and returns the files' paths.

    It is signed by the CA in `folder`, and `client` is its common name. Raises InvalidRequestError for a
    name that is not allowed, where files are in the way unless `force`, and where there is no CA.
    """
    require_cryptography()
    _check_days(days)
    if not _CLIENT_NAME.fullmatch(client) or client in (CA, *(role.name for role in _ROLES)):
        raise InvalidRequestError(
            f"{shown(client)} is not allowed as a client's name; allowed: letters, digits, '_', '.', '-'; "
            "no '-key' at the end; none of the names that padiff certs init gives its files"
        )
    place = Path(checked_path(folder, field="DIR"))
    files = _files(place, [client])
    _check_absent(files, force=force, else_said="makes this one anew")
    authority = _Authority.read(place, days)
    authority.write(place, _Role(name=client, serves=False, calls=True), client, [])
    return tuple(str(file) for file in files)


def _files(place: Path, names: Sequence[str]) -> list[Path]:
    return [place / f"{name}{suffix}.pem" for name in names for suffix in ("", "-key")]


def _check_absent(files: Sequence[Path], *, force: bool, else_said: str) -> None:
    present = [file for file in files if file.exists()]
    if present and not force:
        raise InvalidRequestError(f"{present[0]} exists: nothing was written; --force {else_said}")


def _check_days(days: int) -> None:
    if days < 1:
        raise InvalidRequestError(f"--days: {days} is not allowed; allowed: a number of at least 1")


def _ends(days: int) -> datetime.datetime:
    return now() + datetime.timedelta(days=days)


@record
class _Authority:
    """What signs certificates, and how long these are good."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate
    days: int

    @staticmethod
    def read(place: Path, days: int) -> _Authority:
        """Returns that in a folder. Raises InvalidRequestError."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

        try:
            key = serialization.load_pem_private_key((place / f"{CA}-key.pem").read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate((place / f"{CA}.pem").read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise InvalidRequestError(
                f"{place} has no CA that can sign ({said_by(error)}); padiff certs init makes one"
            ) from None
        if not isinstance(key, EllipticCurvePrivateKey):
            raise InvalidRequestError(f"{place}/{CA}-key.pem is no key that padiff certs init has made")
        return _Authority(key=key, certificate=certificate, days=days)

    def write(self, place: Path, role: _Role, subject: str, names: Sequence[x509.GeneralName]) -> None:
        """Writes a certificate with its key."""
        key = _new_key()
        _write(place, role.name, _certificate(role, subject, key.public_key(), names, self), key)


def require_cryptography() -> None:
    """Raises InvalidRequestError with the pip line where it is missing."""
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise InvalidRequestError(
            f"{sys.executable} has no cryptography, which makes certificates; run: {sys.executable} -m pip "
            "install 'padiff-rpc[certs]'"
        ) from None


def now() -> datetime.datetime:
    """Returns the present, in UTC."""
    return datetime.datetime.now(tz=datetime.timezone.utc)


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    if not host or not host.isascii() or any(mark in host for mark in " :/"):
        raise InvalidRequestError(f"--host: {host!r} is not allowed; allowed: a host's name or an IP address")
    return x509.DNSName(host)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: str, issuer: x509.Name, key: EllipticCurvePublicKey, ends: datetime.datetime) -> Any:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - _BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_of_authority(key: EllipticCurvePrivateKey, ends: datetime.datetime) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    # A name of its own tells this CA from another one of ours, in errors and to OpenSSL.
    subject = f"padiff CA {x509.random_serial_number() % 16**8:08x}"
    builder = _builder(subject, _name(subject), key.public_key(), ends)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    made: x509.Certificate = builder.sign(key, hashes.SHA256())
    return made


def _certificate(
    role: _Role,
    subject: str,
    key: EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    authority: _Authority,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    uses = [
        use
        for use, wanted in (
            (ExtendedKeyUsageOID.SERVER_AUTH, role.serves),
            (ExtendedKeyUsageOID.CLIENT_AUTH, role.calls),
        )
        if wanted
    ]
    builder = _builder(subject, authority.certificate.subject, key, _ends(authority.days))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    made: x509.Certificate = builder.sign(authority.key, hashes.SHA256())
    return made


def _write(place: Path, name: str, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization

    key_bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _replace(place / f"{name}-key.pem", key_bytes, mode=0o600)
    _replace(place / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _replace(file: Path, content: bytes, *, mode: int) -> None:
    """Writes a file whole, under the mode from the beginning; a server may be reading it."""
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    partial.replace(file)
