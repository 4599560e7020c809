"""State files of models: what every framework's loading and saving of them has in common."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Optional

from padiff_rpc.errors import InvalidRequestError, StateError

Shapes = Mapping[str, tuple[int, ...]]
SAVE_SUFFIXES = (".pdparams", ".pt", ".safetensors")
# Names that an error shows before it only counts.
_SHOWN = 3


def checked_suffix(path: str, allowed: Collection[str], *, field: str) -> str:
    """Returns the suffix of `path`. Raises InvalidRequestError for one that is not `allowed`."""
    suffix = os.path.splitext(path)[1]
    if suffix not in allowed:
        raise InvalidRequestError(f"{path} must end in one of {', '.join(allowed)}", field=field)
    return suffix


def check_fit(path: str, expected: Shapes, given: Shapes) -> None:
    """Raises InvalidRequestError where a file's names or shapes are not those of the model's state."""
    missing = [name for name in expected if name not in given]
    left_over = [name for name in given if name not in expected]
    other_shape = [
        f"{name} {list(given[name])} for {list(shape)}"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    found = [
        f"{what} {_first(names)}"
        for what, names in (
            ("lacks", missing),
            ("has left over", left_over),
            ("has other shapes:", other_shape),
        )
        if names
    ]
    if found:
        raise InvalidRequestError(f"{path} does not fit the model: it {'; it '.join(found)}", field="weights")


def save_target(root: Optional[str], path: str) -> str:
    """Returns the absolute path of a file that a caller wants under the save root, links followed.

    Raises InvalidRequestError where there is no root, and for a path out of it, into no folder or of
    another suffix.
    """
    if root is None:
        raise InvalidRequestError(
            'this worker may not save; start it with --save-root FOLDER, or give serve() save_root="folder"',
            field="save",
        )
    if "\0" in path:
        raise InvalidRequestError(f"{path!r} is no path", field="save")
    target = os.path.realpath(os.path.join(root, path))
    if not target.startswith(os.path.realpath(root).rstrip(os.sep) + os.sep):
        raise InvalidRequestError(f"{path!r} lies outside the worker's save root {root}", field="save")
    if not target.endswith(SAVE_SUFFIXES):
        raise InvalidRequestError(f"{path!r} must end in one of {', '.join(SAVE_SUFFIXES)}", field="save")
    if not os.path.isdir(os.path.dirname(target)):
        raise InvalidRequestError(f"the folder {os.path.dirname(target)} does not exist", field="save")
    return target


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns whatever a reader raises into one line of InvalidRequestError."""
    try:
        yield
    except (InvalidRequestError, ImportError):
        raise
    except FileNotFoundError:
        raise InvalidRequestError(
            f"there is no file {path} on the worker's machine", field="weights"
        ) from None
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise InvalidRequestError(f"{path} cannot be read: {reason}", field="weights") from error


@contextmanager
def writing(path: str) -> Iterator[str]:
    """Yields the name to write to, beside `path` and of its suffix; at the end it takes its place.

    Whatever a writer raises is one line of InvalidRequestError, and `path` stays as it was.
    """
    stem, suffix = os.path.splitext(path)
    # Nobody can have laid a link of this name to a file elsewhere.
    partial = f"{stem}.{secrets.token_hex(8)}{suffix}"
    try:
        yield partial
        os.replace(partial, path)
    except (InvalidRequestError, StateError):
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise InvalidRequestError(f"{path} cannot be written: {reason}", field="save") from error
    finally:
        with suppress(FileNotFoundError):
            os.remove(partial)


@contextmanager
def needing_safetensors() -> Iterator[None]:
    """Turns a missing safetensors package into one line that says how to get it."""
    try:
        yield
    except ImportError:
        raise InvalidRequestError(
            ".safetensors files need a package that this worker lacks; run: "
            f"{sys.executable} -m pip install safetensors",
            field="weights",
        ) from None


def _first(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
