"""Habits from the older tool: what its users write, and what to write here.

Nothing here makes an older spelling work; each is told in one line. docs/migration.md has them as a table.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Optional, TypeVar, cast

from padiff_client.frameworks import FRAMEWORKS, framework_of
from padiff_rpc.v1.records import Options

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = frozenset(field.name for field in fields(Options))
# Arguments of the older tool, its later versions included.
_ARGUMENTS = {
    "base_model": "the reference; write module=ModelSpec(...)",
    "base": "the reference; write module=ModelSpec(...)",
    "raw_model": "the candidate; write layer=ModelSpec(...)",
    "raw": "the candidate; write layer=ModelSpec(...)",
    "inputs": "write example_inp=(candidate's input, reference's input)",
    "loss": 'write loss_fn=("my_port.loss:ce", "reference.loss:ce"), the candidate\'s first',
    "loss_fns": 'write loss_fn=("my_port.loss:ce", "reference.loss:ce"), the candidate\'s first',
    "optimizers": 'write optimizer=("my_port.opt:adam", "reference.opt:adam"), the candidate\'s first',
    "auto_init": "write auto_weights=",
    "save_root": "belongs to the worker, as --save-root or in serve(); save= of assign_weight names the file",
    "use_loss": "leave it out; a loss is used where loss_fn= names one",
    "use_opt": "leave it out; an optimizer is used where optimizer= names one",
    "layer_mapping": 'write layer_map={"reference.path": "candidate.path"}',
}
# What it says of these where arguments are objects.
_OBJECTS = {
    **dict.fromkeys(("base_model", "base"), "the reference; write module="),
    **dict.fromkeys(("raw_model", "raw"), "the candidate; write layer="),
    **dict.fromkeys(("loss", "loss_fns"), "write loss_fn=(candidate's, reference's)"),
    "optimizers": "write optimizer=(candidate's, reference's)",
}
_OF_A_SERVER = ("server", "token", "tls", "insecure")
_OF_THE_COMPARISON = "belongs to the comparison and not to one model; in auto_diff, "
_NOT_OPTIONS = ("auto_weights", "layer_map", "loss_fn", "optimizer", "example_inp", "server")
_OF_A_MODEL = ("train", "seed", "device", "dtype", "kwargs", "python", "path", "weights", "worker", "loader")
_FUNCTIONS = (
    "functions between the layers are recorded where something differs; options={'detail': 'functions'} "
    "records them everywhere"
)
# Environment variables of the older tool, and what holds here without them.
_SWITCHES = {
    "PADIFF_API_CHECK": _FUNCTIONS,
    "PADIFF_TENSOR_METHOD": _FUNCTIONS,
    "PADIFF_CUDA_MEMORY": "captures leave the device at once, and memory is bounded; see padiff-server's "
    "--memory-limit-mib",
    "PADIFF_PATH_LOG": "report.save('report.html'), or .json or .txt, keeps a report where you want it",
    "PADIFF_SIM_CHECK": "every tensor is compared whole; options={'compare_mode': 'mean'} judges means alone",
}


def instead_of_switches(environment: Mapping[str, str]) -> Iterator[str]:
    """Yields a line for each environment variable of the older tool that is set and does nothing here."""
    for name, instead in _SWITCHES.items():
        if environment.get(name):
            yield f"{name} is set, and does nothing here: {instead}"


def instead_of_argument(name: str) -> str:
    """Returns what to write instead of an argument that `auto_diff` and its like do not have, or ""."""
    if name in _OF_A_MODEL:
        return f"belongs to one model; write it in that one's ModelSpec(..., {name}=...)"
    if name in _ARGUMENTS:  # before the options: there is a loss among them
        return _ARGUMENTS[name]
    return f'an option; write options={{"{name}": ...}}' if name in _OPTIONS else ""


def instead_of_live_argument(name: str) -> str:
    """Returns the same for `padiff_client.live`, whose arguments are the objects themselves; or ""."""
    if name in _OF_A_MODEL:
        return "belongs to one model, which is compared as it is given; set it there"
    if name in _OF_A_SERVER:
        return "belongs to a server, and live models are compared in this process; leave it out"
    return _OBJECTS.get(name) or instead_of_argument(name)


def instead_of_option(name: str) -> str:
    """Returns what to write instead of an option that there is none of, or ""."""
    if name in _NOT_OPTIONS:
        return f"no option but an argument; write auto_diff(..., {name}=...)"
    return "" if name in _OPTIONS else instead_of_argument(name)


def instead_of_field(name: str) -> str:
    """Returns what to write instead of an argument that `ModelSpec` does not have, or ""."""
    if name in ("loss", "loss_fn"):
        return _OF_THE_COMPARISON + _ARGUMENTS["loss_fns"]
    if name == "optimizer":
        return _OF_THE_COMPARISON + _ARGUMENTS["optimizers"]
    return f'an option; write auto_diff(..., options={{"{name}": ...}})' if name in _OPTIONS else ""


def instead_of_object(value: Any, *, field: str) -> str:
    """Returns the error for an object where code is named by "package.module:name"."""
    text = f"{field}: {kind_of(value)} is an object, and objects do not travel; "
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    package = str(module).partition(".")[0]
    if isinstance(name, str) and name.isidentifier() and package not in ("__main__", *FRAMEWORKS):
        return f'{text}write "{module}:{name}"'
    return f'{text}put it into a function of a module and write "package.module:function"'


def instead_of_model(value: Any, *, field: str) -> str:
    """Returns the error for a model, or anything else, in place of a ModelSpec."""
    framework = framework_of(value)
    known = FRAMEWORKS.get(framework or "", next(iter(FRAMEWORKS.values())))
    text = (
        f"{field}: {kind_of(value)} is not allowed; allowed: a ModelSpec, as "
        f'ModelSpec("{known.name}", "package.module:factory"), since objects do not travel'
    )
    if framework is not None:
        text += (
            f'; or serve the object, {known.package}.serve(model, address="127.0.0.1:5001"), and '
            'write ModelSpec(worker="127.0.0.1:5001")'
        )
    return text


def kind_of(value: Any) -> str:
    """Returns what an object is in an error: "a Linear", "the class Linear", "the function loss"."""
    name = getattr(value, "__qualname__", None)
    if not isinstance(name, str):
        return f"a {type(value).__name__}"
    return f"the {'class' if isinstance(value, type) else 'function'} {name}"


def _named_framework(spec: Any) -> Optional[str]:
    return getattr(spec, "framework", None)


def candidate_first(framework: Callable[[Any], Optional[str]] = _named_framework) -> Callable[[F], F]:
    """Makes a function of (layer, module) warn where they are given in the order of the later versions.

    These took the reference first. By name, nothing is to be mistaken. `framework` tells that of either.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if [framework(one) for one in args[:2]] == ["torch", "paddle"]:
                warnings.warn(
                    f"{function.__name__}: the candidate comes first and the reference second, so that Torch "
                    "is judged by Paddle here; if that is meant, write layer=..., module=...; else exchange "
                    "the two, and what is given in pairs",
                    stacklevel=2,
                )
            return function(*args, **kwargs)

        return cast(F, checked)

    return decorate
