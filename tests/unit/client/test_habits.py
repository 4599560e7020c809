"""Habits from the older tool: each is told in one line what to write here."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from padiff_client import (
    Batch,
    Input,
    InvalidRequestError,
    LayerMap,
    ModelSpec,
    Options,
    assign_weight,
    auto_diff,
    check_inputs,
    habits,
)
from padiff_client.arguments import caller_process, chosen_options
from padiff_client.habits import instead_of_switches

SPEC = ModelSpec("torch", "a:b")
INPUTS = ({"x": 1}, {"x": 1})


def loss(output: Any) -> Any:
    return output


class Module:
    """What stands in for a framework's class: its module is the framework's."""


def of_framework(package: str, name: str) -> type:
    base = type("Module", (Module,), {"__module__": f"{package}.nn"})
    return type(name, (base,), {"__module__": "my_port", "__repr__": lambda self: "Net(\n  (fc): ...\n)"})


TORCH_NET = of_framework("torch", "Net")
ADAM = type("Adam", (), {"__module__": "torch.optim.adam"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"atol": 1e-4}, r'auto_diff: atol: an option; write options={"atol": \.\.\.}'),
        ({"single_step": True}, r'auto_diff: single_step: an option; write options={"single_step": '),
        (
            {"train": True},
            r"auto_diff: train: belongs to one model; write it in .* ModelSpec\(\.\.\., train=",
        ),
        ({"base_model": SPEC}, r"auto_diff: base_model: the reference; write module="),
        ({"raw_model": SPEC}, r"auto_diff: raw_model: the candidate; write layer="),
        ({"inputs": INPUTS}, r"auto_diff: inputs: write example_inp=\(candidate's input, reference's input"),
        ({"loss_fns": ("a:b", "a:b")}, r"auto_diff: loss_fns: write loss_fn="),
        ({"optimizers": ("a:b", "a:b")}, r"auto_diff: optimizers: write optimizer="),
        ({"loss": "a:b"}, r"auto_diff: loss: write loss_fn="),
        ({"auto_init": True}, r"auto_diff: auto_init: write auto_weights="),
        (
            {"layer_maps": {}},
            r"auto_diff: layer_maps: unknown argument; allowed: layer, .*; nearest: layer_map",
        ),
        (
            {"options": {"auto_weights": True}},
            r"options\.auto_weights: no option but an argument; write auto_d",
        ),
        ({"options": {"auto_init": True}}, r"options\.auto_init: write auto_weights="),
        ({"options": {"train": True}}, r"options\.train: belongs to one model"),
        ({"options": {"atoll": 1}}, r"options\.atoll: unknown option; allowed: atol, .*; nearest: atol"),
        ({"options": {"compare_mode": "means"}}, r"options\.compare_mode: 'means' is .*; nearest: mean"),
        ({"layer": TORCH_NET()}, r'layer: a Net is not .* ModelSpec\("torch", .* padiff_worker_torch\.serve'),
        ({"module": TORCH_NET}, r"module: the class Net is not allowed; allowed: a ModelSpec"),
        ({"layer": "a:b"}, r"layer: a str is not allowed; allowed: a ModelSpec"),
        ({"loss_fn": loss}, r"loss_fn: .* is not allowed; allowed: a pair"),
        ({"loss_fn": (loss, None)}, r'loss_fn\[0\]: the function loss is an object, .* write "[\w.]+:loss"'),
        (
            {"loss_fn": (None, lambda y: y)},
            r"loss_fn\[1\]: the function .*<lambda> is an object, .* a module",
        ),
        ({"loss_fn": (TORCH_NET(), None)}, r"loss_fn\[0\]: a Net is an object, .* put it into a function"),
        (
            {"optimizer": (None, ADAM())},
            r"optimizer\[1\]: a Adam is an object, .* \"package\.module:function\"",
        ),
        (
            {"optimizer": (ADAM, None)},
            r"optimizer\[0\]: the class Adam is an object, .* put it into a function",
        ),
        (
            {"example_inp": {"x": 1}},
            r"example_inp: a dict is not .*; for both alike, write \(inputs, inputs\)",
        ),
        (
            {"example_inp": np.zeros(2)},
            r"example_inp: a ndarray is not .* \(Batch\(args=\(x,\)\), Batch\(args=",
        ),
        (
            {"example_inp": (np.zeros(2), np.zeros(2))},
            r"example_inp\[0\]: a ndarray is not .* Batch\(args=\(x,",
        ),
        ({"example_inp": ([(1, 2)], [(1, 2)])}, r"example_inp\[0\]\[0\]: a tuple is not .* target=y\)"),
        ({"layer_map": {"ignore": ["a"]}}, r"layer_map: \['a'\] is not allowed; allowed: a layer path"),
        ({"layer_map": {TORCH_NET(): "fc"}}, r"layer_map: a Net is not allowed; allowed: a layer path"),
    ],
)
def test_what_the_older_tool_takes_is_told_in_one_line(given: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"layer": SPEC, "module": SPEC, "example_inp": INPUTS, **given}
    with pytest.raises(InvalidRequestError, match=f"^{said}") as caught:
        auto_diff(**arguments)
    assert "\n" not in str(caught.value)
    assert "\\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: auto_diff(SPEC), "auto_diff: missing a required argument: 'module'; write auto_diff(layer="),
        (lambda: auto_diff(*[SPEC] * 20), "auto_diff: too many positional arguments; write auto_diff(layer="),
        (lambda: assign_weight(SPEC, SPEC, atol=1), "assign_weight: atol: an option; write options="),
        (lambda: assign_weight(SPEC, SPEC, save_root="."), "assign_weight: save_root: belongs to the worker"),
        (lambda: assign_weight(SPEC, SPEC, svae="x.pt"), "assign_weight: svae: unknown argument; allowed: "),
        (lambda: check_inputs(SPEC, SPEC, steps=3), "check_inputs: steps: unknown argument; allowed: layer"),
        (lambda: Options(attol=1), "Options: attol: unknown argument; allowed: atol, "),
        (lambda: ModelSpec("torch", "a:b", deivce="cpu"), "ModelSpec: deivce: unknown argument; allowed: "),
        (lambda: ModelSpec("torch", "a:b", loss="a:b"), "ModelSpec: loss: belongs to the comparison"),
        (lambda: ModelSpec("torch", "a:b", atol=1), "ModelSpec: atol: an option; write auto_diff(..., opt"),
        (
            lambda: ModelSpec("pytorch", "a:b"),
            "ModelSpec.framework: 'pytorch' is not allowed; allowed: torch, ",
        ),
        (
            lambda: ModelSpec("torch", loss),
            "ModelSpec.model: the function loss is an object, and objects do ",
        ),
        (
            lambda: ModelSpec("torch", TORCH_NET),
            "ModelSpec.model: the class Net is an object, and objects do ",
        ),
        (lambda: ModelSpec("torch", TORCH_NET()), "ModelSpec.model: a Net is an object, and objects do not "),
        (lambda: ModelSpec(TORCH_NET()), "ModelSpec.framework: Net( (fc): ... ) is not allowed; allowed: "),
        (lambda: Batch(args=(1,), targets=2), "Batch: targets: unknown argument; allowed: args, kwargs, "),
        (lambda: Input(1, require_grad=True), "Input: require_grad: unknown argument; allowed: array, "),
        (lambda: auto_diff(SPEC, SPEC, INPUTS, server=3), "server: 3 is not allowed; allowed: an address"),
        (lambda: auto_diff(SPEC, SPEC, INPUTS, server="a:1", token=3), "token: 3 is not allowed; allowed: a"),
        (lambda: assign_weight(SPEC, SPEC, save=3), "save: 3 is not allowed; allowed: a file's path"),
        (lambda: LayerMap.load(3), "LayerMap.load: 3 is not allowed; allowed: a file's path"),
        (lambda: ModelSpec("torch", "a:b", python=3), "ModelSpec.python: 3 is not allowed; allowed: a fil"),
        (lambda: ModelSpec("torch", "a:b", weights=b"w"), "ModelSpec.weights: b'w' is not allowed; allow"),
        (lambda: ModelSpec(worker="127.0.0.1:1", token=3), "ModelSpec.token: not allowed; allowed: a tex"),
        (lambda: LayerMap("plan.yaml"), "layer_map: 'plan.yaml' is not allowed; allowed: {reference path: "),
        (lambda: LayerMap(map={}), "LayerMap: map: unknown argument; allowed: pairs"),
        (lambda: LayerMap(object()), "layer_map: <object "),
        (lambda: LayerMap.auto(TORCH_NET(), SPEC), "layer: a Net is not allowed; allowed: a ModelSpec"),
        (
            lambda: LayerMap().ignore("a"),
            "layer_map.ignore: too many positional arguments; write layer_map.ig",
        ),
        (
            lambda: LayerMap().ignore_class("fc", "Dropout"),
            "layer_map.ignore_class: too many positional argum",
        ),
        (
            lambda: LayerMap().ignore_recursively(["a"]),
            "layer_map.ignore_recursively: too many positional arg",
        ),
        (
            lambda: LayerMap().ignore(layer="a"),
            "layer_map.ignore: layer: unknown argument; allowed: reference",
        ),
        (lambda: LayerMap().ignore(candidate=TORCH_NET()), "layer_map.ignore.candidate: a Net is not "),
        (
            lambda: LayerMap().ignore_class(candidate=TORCH_NET),
            "layer_map.ignore_class.candidate: the class Net is",
        ),
    ],
)
def test_a_wrong_call_is_one_line(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        call()
    assert str(caught.value).startswith(said), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_layer_map_is_not_assigned_to() -> None:
    layer_map: Any = LayerMap()
    with pytest.raises(InvalidRequestError, match=r"layer_map\.map: there is none; write LayerMap\({"):
        layer_map.map = {"a": "b"}
    with pytest.raises(AttributeError, match=r"layer_map\.map: there is none; write LayerMap\({"):
        layer_map.map["a"] = "b"
    with pytest.raises(
        AttributeError, match=r"ignore_recursivly: there is none; nearest: ignore_recursively"
    ):
        layer_map.ignore_recursivly("a")


def test_the_later_order_of_the_models_is_warned_of_where_their_names_do_not_settle_it() -> None:
    torch, paddle = ModelSpec("torch", "a:b"), ModelSpec("paddle", "a:b")
    for function in (auto_diff, assign_weight):
        with pytest.warns(UserWarning, match=f"{function.__name__}: the candidate comes first") as caught:
            with pytest.raises(InvalidRequestError):
                function(torch, paddle, layer_map=1)  # type: ignore[operator]
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for given in ((paddle, torch), (torch, torch), (torch, ModelSpec(worker="127.0.0.1:1"))):
                with pytest.raises(InvalidRequestError):
                    function(*given, layer_map=1)  # type: ignore[operator]
            with pytest.raises(InvalidRequestError):
                function(layer=torch, module=paddle, layer_map=1)  # type: ignore[operator]


def test_numbers_of_numpy_are_numbers() -> None:
    options, steps = chosen_options({"atol": np.float32(0.5), "threads": np.int64(2)}, np.int32(3))
    assert (options.atol, options.threads, steps) == (0.5, 2, 3)
    assert [type(one) for one in (options.atol, options.threads, steps)] == [float, int, int]
    for wrong in (True, np.bool_(True), np.float32("nan"), np.float32(-1)):
        with pytest.raises(InvalidRequestError, match=r"options\.atol: .* allowed: a number of at least 0"):
            Options(atol=wrong)


def test_what_is_told_of_a_name_is_true() -> None:
    options, arguments = {field.name for field in fields(Options)}, inspect.signature(auto_diff).parameters
    assert set(habits._OF_A_MODEL) <= {field.name for field in fields(ModelSpec)}
    assert set(habits._NOT_OPTIONS) <= set(arguments) - options
    assert not set(habits._ARGUMENTS) & set(arguments)


def test_a_switch_of_the_older_tool_that_is_set_is_told_of_in_one_line_each() -> None:
    assert list(instead_of_switches({"PADIFF_TORCH_PYTHON": "/x", "PADIFF_TOKEN": "t"})) == []
    lines = list(instead_of_switches({"PADIFF_API_CHECK": "ON", "PADIFF_PATH_LOG": "/tmp", "HOME": "/"}))
    assert [line.partition(",")[0] for line in lines] == [
        "PADIFF_API_CHECK is set",
        "PADIFF_PATH_LOG is set",
    ]
    assert all("does nothing here: " in line and "\n" not in line for line in lines)


def test_what_a_client_starts_with_tells_of_the_switches(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PADIFF_CUDA_MEMORY", "1")
    caller_process()
    assert "PADIFF_CUDA_MEMORY is set, and does nothing here" in caplog.text
