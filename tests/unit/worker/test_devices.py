"""Names of devices: either framework's word for a GPU means the same one."""

from __future__ import annotations

import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.devices import own_name

TORCH = ("cpu", "cuda:0", "cuda:1")
PADDLE = ("cpu", "gpu:0", "gpu:1")


@pytest.mark.parametrize(
    ("asked", "usable", "meant"),
    [
        ("cpu", TORCH, "cpu"),
        ("cuda:0", TORCH, "cuda:0"),
        ("cuda", TORCH, "cuda:0"),
        ("gpu:1", TORCH, "cuda:1"),
        ("gpu", TORCH, "cuda:0"),
        ("gpu:1", PADDLE, "gpu:1"),
        ("cuda:0", PADDLE, "gpu:0"),
        ("cuda", PADDLE, "gpu:0"),
    ],
)
def test_a_name_means_a_device_in_either_spelling(asked: str, usable: tuple[str, ...], meant: str) -> None:
    assert own_name(asked, usable) == meant


@pytest.mark.parametrize("asked", ["cuda:2", "gpu:x", "cuda:0:1", "cuda:", "xpu:0", "", "CPU", "cpu:1"])
@pytest.mark.parametrize("usable", [TORCH, PADDLE])
def test_what_means_none_is_refused_with_those_that_are_usable(asked: str, usable: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        own_name(asked, usable)
    assert str(raised.value) == f"device: {asked!r} is not usable here; use one of {', '.join(usable)}"


def test_without_a_gpu_none_is_meant() -> None:
    with pytest.raises(InvalidRequestError, match=r"use one of cpu$"):
        own_name("cuda:0", ("cpu",))
