from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Model
from padiff_worker.loader import Loader
from padiff_worker.loading import load_model
from padiff_worker.served_model import ServedModel


class Framework:
    """One with modes, and nothing else that loading a served model asks for."""

    name = "fake"

    def __init__(self) -> None:
        self.modes_now = "train"

    def is_model(self, candidate: Any) -> bool:
        return True

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def device_of(self, model: Any) -> str:
        return "cpu"

    def configure(self, **_: Any) -> tuple[str, ...]:
        return ()

    def modes(self, model: Any) -> str:
        return self.modes_now

    def set_modes(self, model: Any, modes: str) -> None:
        self.modes_now = modes

    def prepare(self, model: Any, **_: Any) -> None:
        self.modes_now = "eval"


def test_threads_that_would_end_the_process_are_refused() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"options\.threads: 2147483647 is not allowed here; allowed: 0"
    ):
        load_model(Framework(), Loader(()), Model(framework="fake"), threads=2**31 - 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["loader", "train_step", "optimizer"])
def test_a_served_model_has_its_modes_back_when_something_beside_it_is_wrong(wrong: str) -> None:
    framework = Framework()
    served = ServedModel(model=SimpleNamespace())
    with pytest.raises(InvalidRequestError, match=f"{wrong}: 'os:system'"):
        load_model(framework, Loader(()), Model(**{wrong: "os:system"}), served=served)  # type: ignore[arg-type]
    assert framework.modes_now == "train"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "missing a required argument: 'width'"),
        ({"width": 2, "depht": 3}, "got an unexpected keyword argument 'depht'"),
    ],
)
def test_a_factory_that_cannot_be_called_so_says_what_it_takes(
    tmp_path: Path, given: dict[str, int], said: str
) -> None:
    name = f"factory_with_{len(given)}_arguments"
    (tmp_path / f"{name}.py").write_text("def build(width, depth=2): ...")
    spec = Model(framework="fake", model=f"{name}:build", kwargs=trees.pack(given))
    with pytest.raises(InvalidRequestError) as raised:
        load_model(Framework(), Loader((tmp_path,)), spec)  # type: ignore[arg-type]
    assert str(raised.value) == f"kwargs: '{name}:build' takes: width, depth=2; {said}"
