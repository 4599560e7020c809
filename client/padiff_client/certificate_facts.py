"""Facts about the certificates in a folder: whom they name and when they end."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from padiff_client import certs
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason
from padiff_rpc.paths import checked_path
from padiff_rpc.records import record
from padiff_rpc.v1.records import Tls

if TYPE_CHECKING:
    from cryptography import x509

# A certificate that ends sooner deserves a warning.
SOON_DAYS = 30


@record
class CertificateFile:
    """What one certificate says.

    Attributes:
        file: its path.
        subject: its common name.
        hosts: the names and addresses that it is good for; none for a client's or a CA's.
        ends: when it ends.
        has_key: whether its key lies beside it.
        problem: what is wrong with it, or will be soon; empty: nothing.
    """

    file: str
    subject: str
    hosts: tuple[str, ...]
    ends: datetime.datetime
    has_key: bool
    problem: str


def read_certificates(folder: str) -> tuple[CertificateFile, ...]:
    """Returns what the certificates in `folder` say, the CA first. Raises InvalidRequestError without any."""
    certs.require_cryptography()
    checked_path(folder, field="DIR")
    files = sorted(Path(folder).glob("*.pem"), key=lambda file: (file.stem != certs.CA, file.name))
    certificates = [file for file in files if not file.stem.endswith("-key")]
    if not certificates:
        raise InvalidRequestError(
            f"{folder}: no certificate (*.pem) is here; make some: padiff certs init {folder}"
        )
    ca = Path(folder) / f"{certs.CA}.pem"
    authority = _loaded(ca) if ca.exists() else None
    return tuple(_described(file, authority) for file in certificates)


def problem_of_own(tls: Tls) -> str:
    """Returns what is wrong with a caller's own certificate; empty where nothing is, or nobody can tell."""
    try:
        from cryptography import x509
    except ImportError:
        return ""
    try:
        certificate = x509.load_pem_x509_certificate(tls.certificate)
        authority = x509.load_pem_x509_certificate(tls.ca) if tls.ca else None
    except ValueError as error:
        return f"no certificate: {reason(error)}"
    if _end(certificate) <= certs.now():
        return f"it ended on {_end(certificate):%Y-%m-%d}"
    if authority is not None and certificate.issuer != authority.subject:
        return "another CA than the given one made it"
    return ""


def _loaded(file: Path) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{file}: no certificate: {reason(error)}") from None


def _described(file: Path, authority: Any) -> CertificateFile:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    certificate = _loaded(file)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        hosts = tuple(str(name.value) for name in extension.value)
    except x509.ExtensionNotFound:
        hosts = ()
    subjects = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    key = file.with_name(f"{file.stem}-key.pem")
    ends = _end(certificate)
    problems = [_problem_of_end(ends)]
    if authority is not None and certificate.issuer != authority.subject:
        problems.append(f"made by another CA than {certs.CA}.pem")
    if key.exists() and key.stat().st_mode & 0o077:
        problems.append(f"others may read its key: chmod 600 {key}")
    return CertificateFile(
        file=str(file),
        subject=str(subjects[0].value) if subjects else "",
        hosts=hosts,
        ends=ends,
        has_key=key.exists(),
        problem="; ".join(filter(None, problems)),
    )


def _end(certificate: x509.Certificate) -> datetime.datetime:
    if hasattr(certificate, "not_valid_after_utc"):  # since 42; the older name warns there
        return certificate.not_valid_after_utc
    return certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc)


def _problem_of_end(ends: datetime.datetime) -> str:
    left = ends - certs.now()
    if left.total_seconds() <= 0:
        return "has ended: make new ones with padiff certs init --force"
    if left.days < SOON_DAYS:
        return f"ends in {left.days} days: make new ones with padiff certs init --force"
    return ""
