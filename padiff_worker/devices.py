"""Names of devices as people write them, and as a framework has them."""

from __future__ import annotations

from collections.abc import Iterable

from padiff_rpc.errors import InvalidRequestError

# Torch's and Paddle's word for one kind of device.
_GPU_WORDS = frozenset({"cuda", "gpu"})


def own_name(device: str, usable: Iterable[str]) -> str:
    """Returns which of `usable` the name `device` stands for; a GPU's may be the other framework's.

    A kind without a number is its first device. Raises InvalidRequestError where none of them is meant.
    """
    allowed = tuple(usable)
    for name in allowed:
        if device == name or _numbered(device) == _numbered(name):
            return name
    raise InvalidRequestError(
        f"{device!r} is not usable here; use one of {', '.join(allowed)}", field="device"
    )


def _numbered(device: str) -> tuple[str, str]:
    kind, colon, number = device.partition(":")
    return ("gpu" if kind in _GPU_WORDS else kind), number if colon else "0"
