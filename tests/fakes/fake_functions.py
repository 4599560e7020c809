"""The fake framework's functions, told of for the length of a pass."""

import contextlib
import functools
import inspect
import os

import fake

from padiff_worker.functions.arguments import bound
from padiff_worker.functions.words import FunctionWords
from padiff_worker.patches import replace

WORDS = FunctionWords(
    folder=os.path.dirname(os.path.abspath(fake.__file__)),
    # Models of the tests lie beside the framework.
    callers=(os.path.join(os.path.dirname(os.path.abspath(fake.__file__)), "fake_models"),),
    wrappers=frozenset({"forward", "__call__", "told"}),
    operations={"mul": "multiply", "view": "reshape"},
)
_FUNCTIONS = ("add", "mul", "matmul", "relu", "relu_", "cast", "dropout", "rand", "scale_gradient")
_METHODS = (
    *("__add__", "__radd__", "__mul__", "__rmul__", "__truediv__"),
    *("view", "clone", "detach", "sum", "mean"),
)


@contextlib.contextmanager
def functions(watcher):
    with contextlib.ExitStack() as stack:
        for owner, names in ((fake, _FUNCTIONS), (fake.Tensor, _METHODS)):
            for name in names:
                stack.callback(replace(owner, name, _told(watcher, name, getattr(owner, name))))
        stack.callback(replace(fake.Tensor, "register_hook", _hooked(watcher, fake.Tensor.register_hook)))
        yield


def _hooked(watcher, plain):
    @functools.wraps(plain)
    def register_hook(tensor, hook):
        run = functools.partial(plain, tensor, hook)
        return watcher.hook(run, tensor) if watcher.is_listening else run()

    return register_hook


def _told(watcher, name, plain):
    @functools.wraps(plain)
    def told(*args, **kwargs):
        if not watcher.is_listening:
            return plain(*args, **kwargs)
        run = functools.partial(plain, *args, **kwargs)
        return watcher.call(
            name,
            run,
            args,
            kwargs,
            lambda _: bound(inspect.signature(plain), args, kwargs),
            # It stands for a function with a backward of the user's own.
            own_backward=name == "scale_gradient",
        )

    return told
