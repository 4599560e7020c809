"""Certificates and keys as PEM text, checked before a native library sees them."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason


def check_tls(ca: bytes, certificate: bytes, key: bytes) -> None:
    """Raises InvalidRequestError for what gRPC's core would abort the process on, or refuse without a word.

    That is a certificate without its key or the other way round, text that is none, and a key that is not
    the certificate's. Empty parts are not given.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for given, missing, part in ((certificate, key, "key"), (key, certificate, "certificate")):
        if given and not missing:
            raise InvalidRequestError(
                "a certificate and its key go together: give both, or neither", field=f"tls.{part}"
            )
    if certificate:
        load_own(context, certificate, key)
    if ca:
        try:
            context.load_verify_locations(cadata=ca.decode("ascii"))
        except (ValueError, OSError) as error:  # ssl.SSLError is an OSError
            raise InvalidRequestError(
                f"it holds no CA certificate as PEM text ({reason(error)})", field="tls.ca"
            ) from None


def load_own(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Gives the context a certificate chain and its key. Raises InvalidRequestError."""
    with _readable(certificate) as chain_path, _readable(key) as key_path:
        try:
            # The password keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(chain_path, key_path, password="")
        except OSError as error:
            raise InvalidRequestError(
                f"it is no PEM certificate with its unencrypted key ({reason(error)})",
                field="tls.certificate",
            ) from None


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """Yields a path that reads as `content`: the ssl module takes files alone.

    On Linux no key comes near a disk; elsewhere the file has no name.
    """
    with _nameless_file() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}"


def _nameless_file() -> IO[bytes]:
    if sys.platform == "linux":
        return open(os.memfd_create("pem"), "w+b")
    return tempfile.TemporaryFile()
