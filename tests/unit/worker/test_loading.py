from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Model
from padiff_worker.loader import Loader
from padiff_worker.loading import load_model
from padiff_worker.making_lines import MakingLines
from padiff_worker.served_model import ServedModel


class Framework:
    """One with modes, and nothing else that loading a served model asks for."""

    name = "fake"

    def __init__(self) -> None:
        self.modes_now = "train"

    def is_model(self, candidate: Any) -> bool:
        return isinstance(candidate, SimpleNamespace)

    def making_lines(self) -> AbstractContextManager[MakingLines]:
        return nullcontext(MakingLines())

    def empty_weights(self, model: Any) -> list[str]:
        return [name for name, value in vars(model).items() if value is None]

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def device_of(self, model: Any) -> str:
        return "cpu"

    def configure(self, **_: Any) -> tuple[str, ...]:
        return ()

    def keep_modes(self, model: Any) -> Callable[[], None]:
        kept = self.modes_now
        return lambda: setattr(self, "modes_now", kept)

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


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("def build(): pass", "returned None, which is no fake model"),
        ("def build(): return 1, 2", "returned a tuple, which is no fake model"),
        (
            "class Net: pass\ndef build(): return Net",
            "returned the class {module}.Net, which is no fake model",
        ),
        (
            "from types import SimpleNamespace as N\ndef build(): return N(a=1, b=None)",
            "returned a model whose weight 'b' has no values yet; give it some in the factory",
        ),
        (
            "from types import SimpleNamespace as N\ndef build(): return N(a=None, b=None, c=None)",
            "returned a model whose weight 'a' (and 2 others) has no values yet; give it some",
        ),
    ],
)
def test_what_is_no_model_to_run_is_said(tmp_path: Path, factory: str, said: str) -> None:
    name = f"no_model_{abs(hash(said))}"
    (tmp_path / f"{name}.py").write_text(factory)
    with pytest.raises(InvalidRequestError) as raised:
        load_model(Framework(), Loader((tmp_path,)), Model(framework="fake", model=f"{name}:build"))  # type: ignore[arg-type]
    assert f"model: '{name}:build' {said.format(module=name)}" in str(raised.value)
