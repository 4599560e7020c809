"""The place of a callable's own code, whatever wraps it and under whatever name it was found."""

from __future__ import annotations

import functools
import inspect
import os
from types import MethodType
from typing import Any, Optional

from padiff_rpc.records import record

# Deeper than any honest stack of decorators; an object whose attributes never end stops here.
_MAX_WRAPPERS = 100


@record
class Definition:
    """Where something was defined.

    `file` is None where no file on this machine holds its code: built in, compiled, generated.
    """

    module: str
    file: Optional[str] = None


def definition_of(found: Any) -> Definition:
    """Returns where the code that a call of `found` ends up in was defined.

    A partial is as its function, a bound method as its function, a decorated function as the innermost
    that it wraps: who wraps `os.system` hands it on. Any other object is as its class, whatever it says
    of itself. Runs nothing of what it looks at.
    """
    inner = _innermost(found)
    code = getattr(inner, "__code__", None) if inspect.isfunction(inner) else None
    named = inner if inspect.isclass(inner) or inspect.isroutine(inner) else type(inner)
    module = getattr(named, "__module__", None)
    return Definition(
        # A built-in method has none.
        module=module if isinstance(module, str) else "builtins",
        file=_file_of(code) if code is not None else None,
    )


def _innermost(found: Any) -> Any:
    for _ in range(_MAX_WRAPPERS):
        if isinstance(found, functools.partial):
            found = found.func
        elif isinstance(found, MethodType):
            found = found.__func__
        else:
            wrapped = inspect.getattr_static(found, "__wrapped__", None)
            if wrapped is None or inspect.isclass(found):
                return found
            found = wrapped
    return None


def _file_of(code: Any) -> Optional[str]:
    """Returns the code's file; a frozen module's is none of anybody's, and so is outside every root."""
    name: str = code.co_filename
    if name.startswith("<frozen "):
        return name
    return os.path.realpath(name) if os.path.isfile(name) else None
