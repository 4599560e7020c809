"""Names and values that people write: how an error shows them, and the nearest of those that are known."""

from __future__ import annotations

import difflib
import functools
import inspect
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar, cast

from padiff_rpc.errors import InvalidRequestError

F = TypeVar("F", bound=Callable[..., Any])
Advice = Callable[[str], str]

_LONGEST = 80


def shown(value: Any) -> str:
    """Returns `value` as an error quotes it: one line of bounded length, a text's line breaks as spaces."""
    text = repr(" ".join(value.split()) if isinstance(value, str) else value)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def said_by(error: BaseException) -> str:
    """Returns what `error` says, on one line; a KeyError's text without the quotes that Python adds."""
    bare = isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str)
    try:
        text = str(error.args[0] if bare else error)
    except Exception:  # a user's own class may fail to say anything
        text = f"a {type(error).__qualname__} whose text cannot be made"
    return " ".join(text.split())


def reason(error: Exception) -> str:
    """Returns why a file cannot be read, without its name and number: "no such file or directory"."""
    text = error.strerror if isinstance(error, OSError) else None
    return text[:1].lower() + text[1:] if text else str(error)


_MARK = "mark "


def mark_path(name: str) -> str:
    """Returns where the report has the tensors that a user marked with `name`: a path that no layer has."""
    return f"{_MARK}{' '.join(name.replace('.', '/').split())}"


def is_mark_path(path: str) -> bool:
    """Whether a path is that of a mark."""
    return path.startswith(_MARK)


def nearest(wrong: Any, known: Iterable[str], *, cutoff: float = 0.5) -> list[str]:
    """Returns up to three of `known` that are spelled most like `wrong`, the best first, case aside."""
    if not isinstance(wrong, str):
        return []
    names = {name.casefold(): name for name in known}
    return [names[near] for near in difflib.get_close_matches(wrong.casefold(), names, n=3, cutoff=cutoff)]


def near_names(wrong: Any, known: Iterable[str]) -> str:
    """Returns "; nearest: atol", or an empty text where none of `known` is near."""
    near = nearest(wrong, known)
    return f"; nearest: {', '.join(near)}" if near else ""


def near_modules(missing: str, roots: Iterable[str]) -> str:
    """Returns "; nearest: ..." for a dotted module name of which the folders `roots` have none."""
    around, _, last = missing.rpartition(".")
    found: set[str] = set()
    for root in roots:
        folder = os.path.join(root, *around.split("."))
        with suppress(OSError):  # not there, or it may be entered but not listed
            found.update(name[:-3] if name.endswith(".py") else name for name in os.listdir(folder))
    near = [f"{around}.{name}" if around else name for name in nearest(last, sorted(found))]
    return f"; nearest: {', '.join(near)}" if near else ""


def known_names(wrong: Any, known: Iterable[str]) -> str:
    """Returns "allowed: atol, rtol; nearest: atol" for a name that is none of `known`."""
    allowed = list(known)
    return f"allowed: {', '.join(allowed)}{near_names(wrong, allowed)}"


def not_allowed(value: Any, allowed: str, *, field: str) -> InvalidRequestError:
    """Returns the error that `value` is not allowed, with what is."""
    return InvalidRequestError(f"{shown(value)} is not allowed; allowed: {allowed}", field=field)


def not_among(value: Any, known: Iterable[str], *, field: str) -> InvalidRequestError:
    """Returns the error that `value` is none of `known`, with the nearest of them."""
    return InvalidRequestError(f"{shown(value)} is not allowed; {known_names(value, known)}", field=field)


def arguments_checked(called: str, advice: Advice = lambda name: "") -> Callable[[F], F]:
    """Makes a function refuse arguments that it does not have with an InvalidRequestError of one line.

    `called` is the function's name in errors. `advice` returns what to write in place of an argument that
    other tools have, or an empty text; else the error names the arguments that are allowed.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        parameters = {name: one for name, one in signature.parameters.items() if name not in ("self", "cls")}

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            for name in kwargs:
                if name not in parameters:
                    said = advice(name) or f"unknown argument; {known_names(name, parameters)}"
                    raise InvalidRequestError(f"{name}: {said}", field=called)
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                named = ", ".join(f"{name}=..." for name in parameters)
                raise InvalidRequestError(f"{error}; write {called}({named})", field=called) from None
            return function(*args, **kwargs)

        return cast(F, checked)

    return decorate
