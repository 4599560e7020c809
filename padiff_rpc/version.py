"""Versions that both ends of a connection say of themselves."""

from __future__ import annotations

from importlib import metadata

from padiff_rpc.errors import StateError

# Raised by one whenever a peer of the older number could misread what a peer of the newer one sends.
PROTOCOL_VERSION = 1


def package_version() -> str:
    """Returns the installed version of padiff-rpc, or "unknown" when it runs from a bare checkout."""
    try:
        return metadata.version("padiff-rpc")
    except metadata.PackageNotFoundError:
        return "unknown"


def check_protocol_version(theirs: int, *, peer: str) -> None:
    """Raises StateError when `peer` ("the worker", "the client", ...) speaks another protocol version."""
    if theirs != PROTOCOL_VERSION:
        raise StateError(
            f"{peer} speaks protocol version {theirs} and this side version {PROTOCOL_VERSION}: "
            f"install the same padiff-rpc on both (this side has {package_version()})"
        )
