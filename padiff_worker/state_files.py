"""State files of models: what every framework's loading and saving of them has in common."""

from __future__ import annotations

import importlib
import os
import secrets
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Optional

from padiff_rpc.errors import InvalidRequestError, StateError
from padiff_rpc.paths import checked_path
from padiff_rpc.records import record

Shapes = Mapping[str, tuple[int, ...]]
_SAFETENSORS = ".safetensors"
# Names that an error shows before it only counts.
_SHOWN = 3


@record
class StateFiles:
    """How one framework's state files are read and written.

    Attributes:
        framework: its name, as safetensors has it.
        tensor: its class of tensors; a state may hold other things too.
        suffixes: those of the framework's own format.
        read: path -> the state in a file of that format, of which nothing runs; on the host.
        write: (state, path); writes such a file.
        fill: (model, state); puts a state that fits into the model.
    """

    framework: str
    tensor: type
    suffixes: tuple[str, ...]
    read: Callable[[str], Any]
    write: Callable[[Mapping[str, Any], str], None]
    fill: Callable[[Any, Mapping[str, Any]], None]

    @property
    def all_suffixes(self) -> tuple[str, ...]:
        """Of the files that are read and written."""
        return (*self.suffixes, _SAFETENSORS)

    def load(self, model: Any, path: str) -> None:
        """Does what `FrameworkAdapter.load_weights` does."""
        suffix = checked_suffix(checked_path(path, field="weights"), self.all_suffixes, field="weights")
        with reading(path):
            state = self._safetensors().load_file(path) if suffix == _SAFETENSORS else self.read(path)
            if not isinstance(state, dict):
                raise InvalidRequestError(
                    f"{path} holds a {type(state).__name__}, not a state_dict", field="weights"
                )
        check_fit(path, self._shapes(model.state_dict()), self._shapes(state))
        with reading(path):
            self.fill(model, state)

    def save(self, model: Any, path: str) -> None:
        """Does what `FrameworkAdapter.save_weights` does."""
        state = model.state_dict()
        if checked_suffix(path, self.all_suffixes, field="save") != _SAFETENSORS:
            self.write(state, path)
            return
        # Every tensor its own copy: the format refuses tensors that share memory.
        copies = {name: one.detach().clone().contiguous().cpu() for name, one in self._tensors(state)}
        self._safetensors().save_file(copies, path)

    def _safetensors(self) -> Any:
        with needing_safetensors():
            return importlib.import_module(f"safetensors.{self.framework}")

    def _tensors(self, state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        return ((name, value) for name, value in state.items() if isinstance(value, self.tensor))

    def _shapes(self, state: Mapping[str, Any]) -> Shapes:
        return {name: tuple(value.shape) for name, value in self._tensors(state)}


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


def save_target(root: Optional[str], path: str, suffixes: Collection[str]) -> str:
    """Returns the absolute path of a file that a caller wants under the save root, links followed.

    Raises InvalidRequestError where there is no root, and for a path out of it, into no folder or of
    none of these `suffixes`.
    """
    if root is None:
        raise InvalidRequestError(
            'this worker may not save; start it with --save-root FOLDER, or give serve() save_root="folder"',
            field="save",
        )
    checked_path(path, field="save")
    target = os.path.realpath(os.path.join(root, path))
    if not target.startswith(os.path.realpath(root).rstrip(os.sep) + os.sep):
        raise InvalidRequestError(f"{path!r} lies outside the worker's save root {root}", field="save")
    checked_suffix(path, suffixes, field="save")
    if not os.path.isdir(os.path.dirname(target)):
        raise InvalidRequestError(f"the folder {os.path.dirname(target)} does not exist", field="save")
    if os.path.isdir(target):
        raise InvalidRequestError(f"{target} is a folder; name a file in it", field="save")
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
    # Nobody can have laid a link of this name to a file elsewhere; the path's own may be as long as any.
    name = f".padiff-{secrets.token_hex(8)}{os.path.splitext(path)[1]}"
    partial = os.path.join(os.path.dirname(path), name)
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
