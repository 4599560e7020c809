"""Model specs and references: what is accepted, and one clear line for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import padiff_client
from padiff_client import InvalidRequestError, ModelSpec
from padiff_rpc import trees
from padiff_rpc.v1.records import Label, WorkerAddress
from padiff_rpc.v1.words import DType


def test_the_public_names_are_complete_and_importable() -> None:
    assert len(set(padiff_client.__all__)) == len(padiff_client.__all__)
    for name in padiff_client.__all__:
        assert getattr(padiff_client, name) is not None
    errors = {name for name in vars(padiff_client) if name.endswith("Error")}
    assert errors <= set(padiff_client.__all__)


def test_a_spec_becomes_what_the_worker_is_told() -> None:
    spec = ModelSpec(
        "torch", "a.b:c", kwargs={"n": np.int64(3), "names": ("x",)}, dtype="bfloat16", train=True, seed=7
    )
    model = spec.to_model(loss="m:l", optimizer="m:o")
    assert (model.framework, model.model, model.loss, model.optimizer) == ("torch", "a.b:c", "m:l", "m:o")
    assert trees.unpack(model.kwargs) == {"n": 3, "names": ("x",)}
    assert (model.dtype, model.train, model.seed, model.device) == (DType.BFLOAT16, True, 7, "cpu")


def test_a_state_file_becomes_absolute_only_where_the_worker_is_started_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ModelSpec("torch", "a:b", weights="w.pt").to_model().weights == str(tmp_path / "w.pt")
    there = ModelSpec("torch", "a:b", weights="w.pt", worker="127.0.0.1:1")
    assert there.to_model().weights == "w.pt"


def test_a_served_model_needs_only_its_worker() -> None:
    assert ModelSpec(worker="unix:/tmp/w.sock").to_model().model == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"framework": "jax"}, "framework: 'jax' is not allowed; allowed: torch, paddle"),
        ({"framework": ""}, "framework: missing"),
        ({"model": ""}, "model: missing"),
        ({"model": "a.b"}, "model: 'a.b' is not allowed; allowed: \"package.module:name\""),
        ({"model": "a:b.c"}, "model: 'a:b.c' is not allowed"),
        ({"model": "a:b()"}, "is not allowed"),
        ({"kwargs": {"x": np.ones(2)}}, r"ModelSpec\.kwargs\['x'\]: a ndarray cannot travel"),
        ({"kwargs": [1]}, "kwargs: not allowed"),
        ({"path": 3}, "path: 3 is not allowed"),
        ({"seed": -1}, "seed: -1"),
        ({"loader": "data.loader"}, "loader: 'data.loader' is not allowed; allowed: \"package.module:name\""),
        ({"train_step": "step"}, "train_step: 'step' is not allowed"),
        ({"autocast": "float32"}, "autocast: 'float32' is not allowed; allowed: float16, bfloat16"),
        ({"seed": True}, "seed: True"),
        ({"train": "yes"}, "train: 'yes' is not allowed; allowed: true, false"),
        ({"device": ""}, "device: '' is not allowed"),
        ({"dtype": "int64"}, "dtype: 'int64' is not allowed; allowed: float16, bfloat16, float32, float64"),
        ({"token": "t"}, "token: is for a worker that runs already; name it by worker"),
        ({"insecure": True}, "insecure: is for a worker that runs already"),
        ({"worker": "example.org:http"}, "worker: 'example.org:http' is neither"),
        ({"worker": ""}, "worker: '' is not allowed; allowed: an address"),
        ({"worker": {"cuda": 12.6}}, "worker: {'cuda': 12.6} is not allowed; .* texts in quotes"),
        ({"worker": {}}, "worker: {} is not allowed"),
        ({"worker": "torch", "token": "t"}, "token: the coordinator has the credentials"),
        ({"worker": "127.0.0.1:1", "insecure": 1}, "insecure: 1 is not allowed; allowed: true, false"),
        ({"worker": "example.org:1"}, "needs tls"),
        ({"worker": "127.0.0.1:1", "python": "python"}, "python: is for a worker that is started here"),
        ({"worker": "127.0.0.1:1", "path": ["."]}, "path: is for"),
    ],
)
def test_a_wrong_spec_is_one_clear_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        ModelSpec(**{"framework": "torch", "model": "a:b", **given})
    assert "\n" not in str(caught.value)


def test_a_token_is_never_printed() -> None:
    assert "secret" not in repr(ModelSpec(worker="127.0.0.1:1", token="secret"))


def test_a_worker_is_named_by_address_name_or_labels() -> None:
    assert ModelSpec(worker="unix:/tmp/w", token="t").worker_address() == WorkerAddress(
        address="unix:/tmp/w", token="t"
    )
    assert ModelSpec(worker="torch-1").worker_address() == WorkerAddress(name="torch-1")
    assert ModelSpec(worker={"cuda": "12.6"}).worker_address() == WorkerAddress(
        labels=(Label(name="cuda", value="12.6"),)
    )


def test_plain_text_to_another_machine_is_for_those_who_ask_for_it() -> None:
    spec = ModelSpec(worker="example.org:1", insecure=True)
    assert spec.worker_address() == WorkerAddress(address="example.org:1", insecure=True)
