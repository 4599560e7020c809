"""The flags of commands that call a coordinator or a worker that runs already."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Optional

from padiff_client.session import Server
from padiff_rpc.addresses import check_address
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.serving import TOKEN_VARIABLE, read_token
from padiff_rpc.v1.records import Tls


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """Adds what is shown to the other end, and what it must show."""
    add = parser.add_argument
    add("--token-file", metavar="FILE", help=f"holds the token to present (default: ${TOKEN_VARIABLE})")
    add("--tls-ca", metavar="FILE", help="the CA that the other end's certificate must be of")
    add("--tls-cert", metavar="FILE", help="own certificate, for mutual TLS")
    add("--tls-key", metavar="FILE", help="its key")
    add("--insecure", action="store_true", help="plain text to another machine")


def called(address: str, given: argparse.Namespace, environment: Mapping[str, str], *, field: str) -> Server:
    """Returns the address with the credentials of the flags. Raises InvalidRequestError."""
    token = environment.get(TOKEN_VARIABLE, "")
    if given.token_file is not None:
        token = read_token(given.token_file, field="--token-file")
    tls = _tls(given)
    check_address(address, has_tls=tls is not None, insecure=given.insecure, field=field)
    return Server(address=address, token=token, tls=tls, insecure=given.insecure)


def _tls(given: argparse.Namespace) -> Optional[Tls]:
    if bool(given.tls_cert) != bool(given.tls_key):
        raise InvalidRequestError("--tls-cert: --tls-cert and --tls-key go together")
    if not (given.tls_ca or given.tls_cert):
        return None
    return Tls.from_files(ca=given.tls_ca, certificate=given.tls_cert, key=given.tls_key)
