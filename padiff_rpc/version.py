"""Versions that both ends of a connection say of themselves."""

from __future__ import annotations

from importlib import metadata

from padiff_rpc.errors import StateError

# Raised by one whenever a peer of the older number could misread what a peer of the newer one sends. What is
# only added needs no new number: a peer that has it says so by a word among the capabilities of its GetInfo.
PROTOCOL_VERSION = 2


def package_version() -> str:
    """Returns the installed version of padiff-rpc, or "unknown" when it runs from a bare checkout."""
    try:
        return metadata.version("padiff-rpc")
    except metadata.PackageNotFoundError:
        return "unknown"


def check_protocol_version(theirs: int, *, peer: str, package: str = "") -> None:
    """Raises StateError when `peer` ("the worker", "the client", ...) speaks another protocol version.

    `package`: the version of padiff-rpc that the peer has, where it said so.
    """
    if theirs == PROTOCOL_VERSION:
        return
    ours = package_version()
    their_package = f" (padiff-rpc {package})" if package else ""
    is_older = theirs < PROTOCOL_VERSION
    # The newer of the two packages is the one to have on both sides.
    newer, where = (ours, "there") if is_older else (package, "here")
    wanted = f"padiff-rpc=={newer}" if newer and newer != "unknown" else "--upgrade padiff-rpc"
    raise StateError(
        f"{peer}{their_package} speaks protocol version {theirs} and this side (padiff-rpc {ours}) version "
        f"{PROTOCOL_VERSION}: run 'pip install {wanted}' {where}"
    )
