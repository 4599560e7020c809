"""Paddle's functions as they run, told of by what is put around them for the length of a pass.

Its Python functions look the kernels up in `_C_ops`; some modules hold kernels by names of their own, and
some methods and operators of tensors reach kernels without any of these. All three are taken over.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Optional

import paddle
from paddle import _C_ops, _legacy_C_ops

from padiff_worker.functions.arguments import Argument, bound, of_frame
from padiff_worker.functions.watcher import FunctionWatcher
from padiff_worker.patches import replace

_BINARY = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "div", "rdiv", "truediv", "rtruediv", "floordiv"),
    *("rfloordiv", "mod", "rmod", "pow", "rpow", "matmul", "rmatmul", "eq", "ne", "lt", "le", "gt", "ge"),
)
# What changes its tensor where no version tells.
_WRITING = ("__ifloordiv__", "__imod__", "__setitem__", "copy_", "set_value")
# Methods and operators of tensors that pass by `_C_ops`, as far as a version has them.
_METHODS = (
    *(f"__{name}__" for name in _BINARY),
    *_WRITING,
    *("__getitem__", "clone", "contiguous", "detach", "detach_", "cpu"),
)
_NAMES = {
    **{f"__{name}__": ("self", "other") for name in (*_BINARY, "ifloordiv", "imod")},
    "__getitem__": ("self", "index"),
    "__setitem__": ("self", "index", "value"),
    "copy_": ("self", "other"),
    "set_value": ("self", "value"),
}
# Modules that hold kernels by other names for their own ends: where they come from, and static graphs.
_APART = ("paddle._C_ops", "paddle._legacy_C_ops", "paddle._pir_ops", "paddle.base", "paddle.decomposition")
_ALSO_APART = ("paddle.incubate.autograd", "paddle.jit", "paddle.static", "paddle.pir", "paddle.optimizer")


@contextmanager
def functions(watcher: FunctionWatcher) -> Iterator[None]:
    undo: list[Callable[[], None]] = []
    try:
        for owner, name, stand_in in _stand_ins(watcher):
            undo.append(replace(owner, name, stand_in))
        yield
    finally:
        for put_back in reversed(undo):
            put_back()


def _stand_ins(watcher: FunctionWatcher) -> Iterator[tuple[Any, str, Any]]:
    """Yields (owner, name there, what is put there)."""
    kernels = {}
    for owner in (_C_ops, _legacy_C_ops):
        for name, kernel in _kernels(owner):
            # What is taken over already stands around the kernel that others hold.
            kernels[id(inspect.unwrap(kernel))] = name
            yield owner, name, _told(watcher, name, kernel)
    for module, own_name, kernel, name in _second_names(kernels):
        yield module, own_name, _told(watcher, name, kernel)
    for name in _METHODS:
        if hasattr(paddle.Tensor, name):
            yield paddle.Tensor, name, _told(watcher, name, getattr(paddle.Tensor, name))
    yield paddle.Tensor, "data", _told_of_data(watcher, paddle.Tensor.data)
    for owner in (paddle, paddle.tensor):
        yield owner, "to_tensor", _told(watcher, "to_tensor", owner.to_tensor)
    yield paddle.autograd.PyLayer, "apply", _applying(watcher)
    yield paddle.Tensor, "register_hook", _told_of_hooks(watcher, paddle.Tensor.register_hook)


def _kernels(owner: Any) -> Iterator[tuple[str, Any]]:
    for name, kernel in list(vars(owner).items()):
        if callable(kernel) and not name.startswith("_") and not name.endswith(("_grad", "_grad_")):
            yield name, kernel


def _second_names(kernels: dict[int, str]) -> Iterator[tuple[Any, str, Any, str]]:
    """Yields (module, name there, kernel, the kernel's name) for kernels that modules have imported."""
    for path, module in list(sys.modules.items()):
        if path.startswith("paddle.") and not path.startswith((*_APART, *_ALSO_APART)):
            for name, value in list(vars(module).items()):
                # By identity alone: what a module holds may be anything.
                if id(value) in kernels and not inspect.ismodule(value):
                    yield module, name, value, kernels[id(value)]


def _told(watcher: FunctionWatcher, name: str, plain: Any) -> Any:
    writes = name in _WRITING

    @functools.wraps(plain)
    def told(*args: Any, **kwargs: Any) -> Any:
        if not watcher.is_listening:
            return plain(*args, **kwargs)
        run = functools.partial(plain, *args, **kwargs)

        def describe(frame: Optional[FrameType]) -> Iterable[Argument]:
            if frame is not None:
                return of_frame(frame)
            names = _NAMES.get(name, ())
            return (*map(_named, names, args), *bound(None, args[len(names) :], kwargs))

        return watcher.call(name, run, args, kwargs, describe, writes=writes)

    return told


def _named(name: str, value: Any) -> Argument:
    return Argument(name=name, value=value)


def _told_of_hooks(watcher: FunctionWatcher, plain: Any) -> Any:
    @functools.wraps(plain)
    def register_hook(tensor: Any, hook: Any) -> Any:
        run = functools.partial(plain, tensor, hook)
        return watcher.hook(run, tensor) if watcher.is_listening else run()

    return register_hook


def _told_of_data(watcher: FunctionWatcher, plain: Any) -> Any:
    def data(tensor: Any) -> Any:
        read = functools.partial(plain.__get__, tensor)
        return watcher.call("data", read, (tensor,), {}, lambda _: ()) if watcher.is_listening else read()

    return property(data, plain.__set__)


def _applying(watcher: FunctionWatcher) -> Any:
    layer = paddle.autograd.PyLayer

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        run = functools.partial(super(layer, cls).apply, *args, **kwargs)
        # Paddle's own run what is the user's: recomputation.
        if not watcher.is_listening or cls.__module__.partition(".")[0] == "paddle":
            return run()
        forward = inspect.signature(cls.forward)
        taken = forward.replace(parameters=list(forward.parameters.values())[1:])
        return watcher.call(
            cls.__name__, run, args, kwargs, lambda _: bound(taken, args, kwargs), own_backward=True
        )

    return classmethod(apply)
