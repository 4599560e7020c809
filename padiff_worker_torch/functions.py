"""Torch's functions as they run, told of by its function mode.

The mode tells of the outermost function alone. It does not tell of `autograd.Function`, which is taken over,
nor of other threads. What is compiled runs as it was written meanwhile, since Torch's compiler would compile
the mode along.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Optional

import torch
from torch.overrides import TorchFunctionMode

from padiff_rpc.records import record
from padiff_worker.functions.arguments import NO_DEFAULT, Argument, bound
from padiff_worker.functions.watcher import FunctionWatcher
from padiff_worker.patches import replace

# Of what a tensor is asked for as an attribute, these are other tensors of its elements.
_GETTERS = frozenset({"T", "mT", "H", "mH", "data", "real", "imag"})
# Asked of tensors all the time, and none makes or changes one.
_QUESTIONS = frozenset(
    (
        *(
            "size",
            "dim",
            "stride",
            "numel",
            "is_contiguous",
            "is_floating_point",
            "is_complex",
            "element_size",
        ),
        *(
            "__len__",
            "__repr__",
            "__format__",
            "__hash__",
            "tolist",
            "item",
            "numpy",
            "data_ptr",
            "get_device",
        ),
        *("requires_grad_", "backward", "is_same_size", "__bool__", "__int__", "__float__"),
        *("__iter__", "__contains__", "__reduce_ex__", "untyped_storage", "storage_offset", "ndimension"),
    )
)
# By their arguments' names, those without a schema.
_INDEXING = {"__getitem__": ("self", "index"), "__setitem__": ("self", "index", "value")}
# Where functions that Torch writes in Python ask whether a mode is to be told of them.
_ASKING = (torch.nn.functional, torch.functional, torch._tensor)
_QUERIES = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


@contextmanager
def functions(watcher: FunctionWatcher) -> Iterator[None]:
    with ExitStack() as stack:
        for owner in _ASKING:
            for query in _QUERIES:
                if hasattr(owner, query):
                    stack.callback(replace(owner, query, _unless_fine(watcher, getattr(owner, query))))
        stack.callback(replace(torch.autograd.Function, "apply", _applying(watcher)))
        stack.callback(replace(torch, "from_numpy", _made_of_numpy(watcher, torch.from_numpy)))
        # Who compiled anything has imported it; to import it takes seconds.
        if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_Functions(watcher))
        yield


class _Functions(TorchFunctionMode):  # type: ignore[misc]
    """Hands each function to the watcher."""

    def __init__(self, watcher: FunctionWatcher) -> None:
        super().__init__()
        self._watcher = watcher

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Optional[dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        name = _name(function) if self._watcher.is_listening else ""
        if not name:
            return function(*args, **kwargs)
        if name == "register_hook":
            return self._watcher.hook(functools.partial(function, *args, **kwargs), args[0])
        return self._watcher.call(
            name,
            functools.partial(function, *args, **kwargs),
            args,
            kwargs,
            lambda _: _described(function, name, args, kwargs),
        )


def _name(function: Any) -> str:
    """Returns the function's name; empty for what makes no tensor."""
    name = str(getattr(function, "__name__", ""))
    if name in ("__get__", "__set__"):
        attribute = str(getattr(getattr(function, "__self__", None), "__name__", ""))
        return attribute if name == "__get__" and attribute in _GETTERS else ""
    # An overload's name stands behind a dot.
    return "" if name in _QUESTIONS else name.partition(".")[0]


def _unless_fine(watcher: FunctionWatcher, query: Any) -> Any:
    @functools.wraps(query)
    def asks(*args: Any) -> Any:
        return not watcher.is_fine and query(*args)

    return asks


def _applying(watcher: FunctionWatcher) -> Any:
    plain = vars(torch.autograd.Function)["apply"].__func__

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        run = functools.partial(plain, cls, *args, **kwargs)
        # Torch's own run what is the user's: a checkpoint.
        if not watcher.is_listening or cls.__module__.partition(".")[0] == "torch":
            return run()
        described = functools.partial(_of_forward, cls.forward, args, kwargs)
        return watcher.call(cls.__name__, run, args, kwargs, lambda _: described(), own_backward=True)

    return classmethod(apply)


def _of_forward(forward: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterable[Argument]:
    names = list(inspect.signature(forward).parameters.values())
    takes_context = len(names) > len(args) + len(kwargs)
    return bound(inspect.Signature(names[1:] if takes_context else names), args, kwargs)


def _made_of_numpy(watcher: FunctionWatcher, plain: Any) -> Any:
    @functools.wraps(plain)
    def from_numpy(array: Any) -> Any:
        if not watcher.is_listening:
            return plain(array)
        return watcher.call("from_numpy", functools.partial(plain, array), (array,), {}, lambda _: ())

    return from_numpy


def _described(
    function: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterable[Argument]:
    if name in _INDEXING:
        return (Argument(name=own, value=value) for own, value in zip(_INDEXING[name], args))
    if inspect.isfunction(function) and _names_arguments(function):
        return bound(_signature(function), args, kwargs)
    key = (name, tuple(map(_kind, args)), tuple((own, _kind(value)) for own, value in kwargs.items()))
    if key not in _FITTING:
        ways = ((schema, gathers) for gathers in (False, True) for schema in _schemas(name))
        _FITTING[key] = next(
            (way for way in ways if way[0].fits(_gathered(args) if way[1] else args, kwargs)), None
        )
    fitting = _FITTING[key]
    if fitting is None:
        return bound(None, args, kwargs)
    schema, gathers = fitting
    return bound(schema.signature, _gathered(args) if gathers else args, schema.named(kwargs))


# By a function's name and the kinds of its arguments: the schema that they fit, and whether sizes are
# gathered.
_FITTING: dict[Any, Optional[tuple[_Schema, bool]]] = {}


def _kind(value: Any) -> Any:
    """Returns what decides which schema an argument fits."""
    if isinstance(value, (list, tuple)):
        return type(value), type(value[0]) if value else None
    return type(value)


def _gathered(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns the arguments with sizes that stand one by one (`view(2, 3)`) as one."""
    return (args[0], args[1:]) if len(args) > 1 else args


def _names_arguments(function: Any) -> bool:
    """Whether it is no mere way to one of two others, as those with `return_indices` are."""
    kinds = {one.kind for one in _signature(function).parameters.values()}
    return not kinds <= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


@functools.lru_cache(maxsize=1024)
def _signature(function: Any) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:
        # It stands around one that is not written in Python, as Tensor.__pow__ does.
        return inspect.signature(function, follow_wrapped=False)


@record
class _Schema:
    """One of the ways to call a function that is not written in Python.

    Attributes:
        takes: of each parameter, whether it is a tensor (or a list of them), and whether a text.
    """

    signature: inspect.Signature
    takes: Mapping[str, tuple[bool, bool]]

    def named(self, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns keyword arguments under the schema's names."""
        return {
            ("self" if name == "input" and "self" in self.takes else name): kwargs[name] for name in kwargs
        }

    def fits(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        try:
            given = self.signature.bind(*args, **self.named(kwargs)).arguments
        except TypeError:
            return False
        return all(self._suits(value, *self.takes[name]) for name, value in given.items())

    def _suits(self, value: Any, is_tensor: bool, is_text: bool) -> bool:
        if value is None:
            return True
        first = value[0] if isinstance(value, (list, tuple)) and value else value
        return isinstance(first, torch.Tensor) is is_tensor and isinstance(first, str) is is_text


@functools.lru_cache(maxsize=1024)
def _schemas(name: str) -> tuple[_Schema, ...]:
    return tuple(_schema(one) for one in torch._C._jit_get_schemas_for_operator(f"aten::{name}"))


def _schema(schema: Any) -> _Schema:
    parameters, takes = [], {}
    for argument in schema.arguments:
        kind = (
            inspect.Parameter.KEYWORD_ONLY if argument.kwarg_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        default = argument.default_value if argument.has_default_value() else NO_DEFAULT
        # A parameter with a default may precede one without.
        parameters.append(inspect.Parameter(argument.name, kind, default=default))
        words = str(argument.type)
        takes[argument.name] = "Tensor" in words, "str" in words or "Dimname" in words
    return _Schema(signature=inspect.Signature(parameters, __validate_parameters__=False), takes=takes)
