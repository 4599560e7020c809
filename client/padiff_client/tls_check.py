"""A TLS handshake by hand, which says more about a failure than gRPC does."""

from __future__ import annotations

import datetime
import socket
import ssl
from typing import Optional

from padiff_client.certificate_facts import SOON_DAYS, problem_of_own
from padiff_client.findings import Finding, ok, problem
from padiff_rpc.pem import load_own
from padiff_rpc.v1.records import Tls

_SECONDS = 5.0
_MAKE_ANEW = "make new ones where the CA is: padiff certs init --force"
_START = "start it there, or correct the address; docs/deploy.md has ports and firewalls"


def check_tls(address: str, tls: Optional[Tls]) -> Optional[Finding]:
    """Returns what a handshake with `address` shows; None where it tells nothing (a unix socket).

    Without `tls` it is a problem that the other end speaks TLS.
    """
    if address.startswith("unix:"):
        return None
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), timeout=_SECONDS) as plain:
            return _without(plain, host, address) if tls is None else _with(plain, host, address, tls)
    except ssl.SSLCertVerificationError as error:
        return _refused_by_us(address, host, error)
    except ssl.SSLError as error:
        return _refused_by_them(address, error)
    except socket.gaierror as error:
        return problem(
            f"{address}: this machine knows no host {host} ({error.strerror})", "correct the address"
        )
    except (ConnectionError, socket.timeout, OSError) as error:
        return problem(f"{address}: nobody answers ({error.strerror or error or 'timed out'})", _START)


def _with(plain: socket.socket, host: str, address: str, tls: Tls) -> Finding:
    context = ssl.create_default_context(cadata=tls.ca.decode("ascii", "replace") if tls.ca else None)
    context.set_alpn_protocols(["h2"])
    if tls.certificate:
        load_own(context, tls.certificate, tls.key)
    with context.wrap_socket(plain, server_hostname=host) as wrapped:
        certificate = wrapped.getpeercert() or {}
        # With TLS 1.3 the other end judges our certificate only after our side of the handshake is done.
        if not wrapped.recv(1):
            return _hung_up(address, tls)
    ends = datetime.datetime.fromtimestamp(
        ssl.cert_time_to_seconds(str(certificate["notAfter"])), tz=datetime.timezone.utc
    )
    left = ends - datetime.datetime.now(tz=datetime.timezone.utc)
    if left.days < SOON_DAYS:
        return problem(f"{address}: its certificate ends in {left.days} days", _MAKE_ANEW)
    return ok(f"{address}: TLS; its certificate is for {host} and ends {ends:%Y-%m-%d}")


def _without(plain: socket.socket, host: str, address: str) -> Optional[Finding]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(plain, server_hostname=host):
            pass
    except (ssl.SSLError, OSError):
        return None
    return problem(
        f"{address} speaks TLS, and is called in plain text",
        "give tls in the spec, or --tls-ca (and --tls-cert, --tls-key for mutual TLS)",
    )


def _refused_by_us(address: str, host: str, error: ssl.SSLCertVerificationError) -> Finding:
    why = error.verify_message
    if "mismatch" in why:
        mend = f"make new ones where the CA is: padiff certs init --force --host {host}"
    elif "expired" in why or "not yet valid" in why:
        mend = f"{_MAKE_ANEW}; or correct this machine's clock"
    else:
        mend = "give the ca.pem that was made together with its certificate: tls.ca in the spec, or --tls-ca"
    return problem(f"{address}: its certificate is not accepted here: {why}", mend)


def _refused_by_them(address: str, error: ssl.SSLError) -> Finding:
    reason = (error.reason or str(error)).upper()
    if "WRONG_VERSION" in reason or "RECORD_LAYER" in reason or "HTTP_REQUEST" in reason:
        return problem(
            f"{address} speaks plain text, and is called with TLS",
            "start it with --tls-cert and --tls-key, or leave tls out on this machine's own addresses",
        )
    return problem(f"{address}: no TLS connection ({reason})", "docs/deploy.md says what to check")


def _hung_up(address: str, tls: Tls) -> Finding:
    """gRPC closes the connection without saying why."""
    if not tls.certificate:
        return problem(
            f"{address} asks for a certificate of ours",
            "give tls.certificate and tls.key (--tls-cert, --tls-key): client.pem of padiff certs init",
        )
    why = problem_of_own(tls)
    mend = "give the client.pem that was made together with its ca.pem; padiff certs show tells what there is"
    return problem(
        f"{address} does not accept our certificate{f': {why}' if why else ''}",
        _MAKE_ANEW if "ended" in why else mend,
    )
