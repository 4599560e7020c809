"""Refusals of auto_diff and assign_weight before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from padiff_client import (
    InvalidRequestError,
    LayerMap,
    ModelSpec,
    Options,
    WorkerLostError,
    assign_weight,
    auto_diff,
    check_inputs,
    link,
    session,
)
from padiff_client.arguments import chosen_options
from padiff_rpc.v1.words import CompareMode

SPEC = ModelSpec("torch", "a:b")
SERVED = ModelSpec(worker="127.0.0.1:1")
INPUTS = ({"x": 1}, {"x": 1})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"layer": object()}, "layer: a object is not allowed; allowed: a ModelSpec"),
        ({"steps": 0}, "steps: 0 is not allowed"),
        ({"steps": True}, "steps: True is not allowed"),
        ({"options": {"tolerance": 1}}, r"options\.tolerance: unknown option; allowed: atol"),
        ({"options": {"compare_mode": "loose"}}, "allowed: strict, mean"),
        ({"options": {"single_step": True, "local_error": True}}, "leave single_step out"),
        ({"options": {"steps": 3}, "steps": 2}, r"options\.steps: 3 contradicts steps=2"),
        ({"options": 1}, "options: a int is not allowed"),
        ({"loss_fn": "a:b"}, "loss_fn: 'a:b' is not allowed; allowed: a pair"),
        ({"optimizer": ("a:b", "a.b")}, r"optimizer\[1\]: 'a.b' is not allowed"),
        ({"auto_weights": 1}, "auto_weights: 1 is not allowed"),
        ({"example_inp": {"x": 1}}, "example_inp: a dict is not allowed; allowed: a pair"),
        ({"example_inp": ([], {"x": 1})}, r"example_inp\[0\]: ended after 0 batches"),
        ({"token": "t"}, "token: .* credentials for server="),
        ({"server": "127.0.0.1:1"}, r"layer\.worker: missing; with server="),
        ({"server": "127.0.0.1:1", "layer": ModelSpec("torch", "a:b", path=["."])}, r"layer\.path: a server"),
        (
            {"server": "127.0.0.1:1", "layer": SERVED, "module": ModelSpec("torch", "a:b", python="p")},
            r"module\.python: a server starts no processes",
        ),
        ({"server": "example.org:1", "layer": SERVED, "module": SERVED}, "server: .* needs tls"),
        (
            {"layer": ModelSpec("torch", "a:b", python="/nowhere/python")},
            r"layer\.python: /nowhere/python is not",
        ),
        ({"layer": ModelSpec("torch", "a:b", path=["/nowhere"])}, r"layer\.path: /nowhere is not a folder"),
    ],
)
def test_a_wrong_request_is_one_clear_line(given: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"layer": SPEC, "module": SPEC, "example_inp": INPUTS, **given}
    with pytest.raises(InvalidRequestError, match=said) as caught:
        auto_diff(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", [auto_diff, assign_weight, check_inputs, LayerMap.auto])
def test_a_comparison_that_a_worker_reaches_is_refused_at_once(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "open_household", lambda **_: pytest.fail("it starts processes"))
    monkeypatch.setenv("PADIFF_INSIDE_WORKER", "1")
    with pytest.raises(InvalidRequestError, match='put that call under if __name__ == "__main__":'):
        start(SPEC, SPEC)


def test_a_state_is_saved_under_a_known_suffix_into_a_folder_that_exists() -> None:
    paddle = ModelSpec("paddle", "a:b")
    for candidate, file, allowed in (
        (SPEC, "x.npz", " for torch: .pt, .safetensors"),
        (SPEC, "x.pdparams", " for torch: .pt, .safetensors"),
        (paddle, "x.pt", " for paddle: .pdparams, .safetensors"),
        (SERVED, "x.npz", ": .pdparams, .pt, .safetensors"),
    ):
        with pytest.raises(InvalidRequestError, match=f"save: '{file}' .* allowed suffixes{allowed}$"):
            assign_weight(candidate, SPEC, save=file)
    with pytest.raises(InvalidRequestError, match="save: /nowhere is not a folder"):
        assign_weight(SPEC, SPEC, save="/nowhere/x.pt")


def test_weights_are_not_assigned_by_a_server_that_would_have_to_start_a_worker() -> None:
    with pytest.raises(InvalidRequestError, match=r"layer\.worker: missing; with server="):
        assign_weight(SPEC, SPEC, server="127.0.0.1:1")


def test_where_the_models_run_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []

    def check_address(address: str, *, has_tls: bool, insecure: bool, field: str) -> None:
        checked.append((field, address))
        if len(checked) > 1:
            raise AssertionError("checked again")

    monkeypatch.setattr(session, "check_address", check_address)
    monkeypatch.setattr(link, "_GREETING_SECONDS", 0.05)
    with pytest.raises(WorkerLostError):
        auto_diff(SERVED, SERVED, INPUTS, server="127.0.0.1:1")
    assert checked == [("server", "127.0.0.1:1")]


def test_the_older_names_are_taken() -> None:
    options, steps = chosen_options({"atol": 0, "compare_mode": "mean", "single_step": False, "steps": 3}, 1)
    assert (options.atol, options.compare_mode, steps) == (0.0, CompareMode.MEAN, 3)
    assert chosen_options(None, 2) == (Options(), 2)


LOADED = ModelSpec("torch", "a:b", loader="a:data")


@pytest.mark.parametrize(
    ("layer", "module", "example_inp", "said"),
    [
        (LOADED, LOADED, ({}, {}), "example_inp: both models have a loader"),
        (LOADED, ModelSpec("torch", "a:b"), None, r"module\.loader: missing"),
        (ModelSpec("torch", "a:b"), LOADED, ({}, {}), r"layer\.loader: missing"),
        (ModelSpec("torch", "a:b"), ModelSpec("torch", "a:b"), None, "example_inp: missing"),
    ],
)
def test_batches_come_from_the_client_or_from_both_loaders(
    layer: ModelSpec, module: ModelSpec, example_inp: Any, said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{said}"):
        auto_diff(layer, module, example_inp)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"layer": ModelSpec("torch", "a:b")}, r"layer\.loader: missing; name the function"),
        ({"batches": 0}, "batches: 0 is not allowed; allowed: a whole number of at least 1"),
        ({"batches": True}, "batches: True is not allowed"),
    ],
)
def test_a_check_of_inputs_wants_two_loaders_and_a_number(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{said}"):
        check_inputs(**{"layer": LOADED, "module": LOADED, **given})
