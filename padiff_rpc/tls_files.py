"""Certificates in files: checked when read, and read again when they change."""

from __future__ import annotations

import logging
import threading
from typing import Optional

import grpc

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.file_stamps import Stamp, stamp_of
from padiff_rpc.records import record
from padiff_rpc.v1.records import Tls

logger = logging.getLogger(__name__)


@record
class TlsFiles:
    """Paths of a server's PEM files. With a `ca`, callers must show a certificate of it."""

    certificate: str
    key: str
    ca: str = ""

    def read(self) -> Tls:
        """Returns what the files hold.

        Raises InvalidRequestError for a file that cannot be read, or that is no certificate, key or CA,
        and for a key that is not the certificate's.
        """
        return Tls.from_files(certificate=self.certificate, key=self.key, ca=self.ca or None)

    def stamp(self) -> Optional[Stamp]:
        """Returns what differs when a file was replaced or written; None while one is missing."""
        return stamp_of(*(path for path in (self.certificate, self.key, self.ca) if path))


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Returns credentials that follow the files. Raises InvalidRequestError as `TlsFiles.read`."""
    watch = _Watch(files)
    return grpc.dynamic_ssl_server_credentials(
        watch.first, watch.changed, require_client_authentication=bool(files.ca)
    )


class _Watch:
    """Looks at the files at each handshake. What is there is kept until all of the new ones fit together."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamp = files.stamp()
        self.first = _configuration(files.read())

    def changed(self) -> Optional[grpc.ServerCertificateConfiguration]:
        """Returns the files' new content, None for none."""
        with self._lock:
            stamp = self._files.stamp()
            if stamp is None or stamp == self._stamp:
                return None
            self._stamp = stamp
            try:
                configuration = _configuration(self._files.read())
            except InvalidRequestError as error:  # perhaps between the replacing of one file and the next
                logger.warning("the certificate in use stays: %s", error)
                return None
            logger.info("read %s anew", self._files.certificate)
            return configuration


def _configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(tls.key, tls.certificate)], tls.ca or None)
