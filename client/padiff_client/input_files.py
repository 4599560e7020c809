"""The `inputs` of a spec file: a function, a file of arrays, or a table of shapes."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from padiff_client.array_files import SUFFIXES, read_arrays
from padiff_client.array_tables import is_table, read_table_array
from padiff_client.batches import Batch
from padiff_client.spec import check_reference
from padiff_client.spec_paths import near_file
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import known_names, near_modules, near_names, said_by, shown
from padiff_rpc.yaml_nodes import Entry

_SOURCES = ("function", "file", "table")
_LONG_FORM = (*_SOURCES, "path", "reference", "candidate")
_ALLOWED = (
    f"package.module:function, a file ending in {' or '.join(SUFFIXES)}, or arrays as a mapping or a list"
)


def read_inputs(entry: Entry) -> tuple[Any, Any]:
    """Returns the pair (candidate's, reference's) as `auto_diff` takes it.

    Raises InvalidRequestError with the line.
    """
    if not entry.is_mapping or not _is_long_form(entry):
        both = _source(entry, [entry.folder])
        return both, both
    found = entry.known(*_LONG_FORM)
    roots = [root.path() for root in found["path"].one_or_more()] if "path" in found else [entry.folder]
    named = [key for key in _SOURCES if key in found]
    if len(named) > 1:
        raise found[named[1]].error(f"{named[0]} is given too; give one of {', '.join(_SOURCES)}")
    shared = _source(found[named[0]], roots, named[0]) if named else None
    if shared is None and not {"reference", "candidate"} <= set(found):
        raise entry.error(f"no arrays; give one of {', '.join(_SOURCES)}, or both of reference, candidate")
    if not {"reference", "candidate"} & set(found):
        return shared, shared
    # Pulled once, whatever each side picks of it.
    copies = itertools.tee(shared) if isinstance(shared, Iterator) else (shared, shared)
    candidate, reference = (
        _side(found[side], roots, copy) if side in found else copy
        for side, copy in zip(("candidate", "reference"), copies)
    )
    return candidate, reference


def input_names(entry: Entry) -> tuple[str, str]:
    """Returns what a file calls the candidate's inputs and the reference's."""
    found = entry.entries() if entry.is_mapping and _is_long_form(entry) else {}
    shared = next((found[key].name for key in _SOURCES if key in found), entry.name)
    candidate, reference = (
        found[side].name if side in found else shared for side in ("candidate", "reference")
    )
    return candidate, reference


def _is_long_form(entry: Entry) -> bool:
    """Whether a mapping has long-form keys; an argument that happens to be called so has a shape."""
    return any(key in _LONG_FORM and not _has_shape(one) for key, one in entry.items())


def _has_shape(entry: Entry) -> bool:
    return entry.is_mapping and "shape" in entry.entries() and entry.entries()["shape"].is_list


def _source(entry: Entry, roots: list[str], kind: str = "") -> Any:
    """Returns arrays by name or by position, a Batch, or an iterator of these."""
    if entry.is_mapping or entry.is_list:
        if kind in ("function", "file"):
            raise entry.error("not allowed; allowed: a text")
        return _table(entry)
    text = entry.of_type(str, "a text" if kind else _ALLOWED)
    if kind == "file" or (kind == "" and text.endswith(SUFFIXES)):
        with entry.pointing():
            return read_arrays(entry.path())
    if kind == "table":
        raise entry.error("not allowed; allowed: a mapping of names, or a list, of arrays")
    with entry.pointing():
        if kind == "" and ":" not in text:
            raise InvalidRequestError(f"{shown(text)} is not allowed; allowed: {_ALLOWED}")
        check_reference(text, field="value")
        return _called(text, roots)


def _table(entry: Entry) -> Any:
    """A mapping is passed by keyword, a list by position."""
    if entry.is_list:
        return Batch(args=tuple(read_table_array(one, i) for i, one in enumerate(entry)))
    for name, one in entry.items():
        if not one.is_mapping:
            raise one.error(
                f"no array, which is a mapping with a shape, and no key; {known_names(name, _LONG_FORM)}"
            )
    return {name: read_table_array(one, i) for i, (name, one) in enumerate(entry.items())}


def _called(reference: str, roots: list[str]) -> Any:
    made_by = _function(reference, roots)
    try:
        made = made_by()
    except (Exception, SystemExit) as error:  # sys.exit(0) must not pass for a match
        raise InvalidRequestError(f"{reference} raised {type(error).__name__}: {said_by(error)}") from error
    if isinstance(made, (Batch, Mapping)):
        return made
    try:
        return iter(made)
    except TypeError:
        raise InvalidRequestError(
            f"{reference} returned a {type(made).__name__}; allowed: a dict of keyword arguments, a Batch, "
            "or an iterable of these, one a step"
        ) from None


def _function(reference: str, roots: list[str]) -> Callable[[], Any]:
    """Returns the function of the user that `reference` names, importing its module from `roots`."""
    for root in roots:
        if not os.path.isdir(root):
            raise InvalidRequestError(f"{reference}: the import root {root} is no folder{near_file(root)}")
    sys.path[:0] = [root for root in roots if root not in sys.path]
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != module_name and not module_name.startswith(f"{missing}."):
            raise InvalidRequestError(
                f"{reference} imports {missing}, which {sys.executable} does not have; it is called here, "
                "with NumPy only"
            ) from error
        raise InvalidRequestError(
            f"{reference}: no module {missing} in {', '.join(roots)}{near_modules(missing, roots)}"
        ) from None
    except (Exception, SystemExit) as error:  # sys.exit(0) must not pass for a match
        raise InvalidRequestError(
            f"{reference}: importing {module_name} raised {type(error).__name__}: {said_by(error)}"
        ) from error
    made_by = getattr(module, name, None)
    if not callable(made_by):
        what = f"has no {name}" if made_by is None else f"has a {type(made_by).__name__} {name}, no function"
        named = [known for known, one in vars(module).items() if callable(one) and not known.startswith("_")]
        raise InvalidRequestError(f"{reference}: the module {what}{near_names(name, named)}")
    return made_by  # type: ignore[no-any-return]


def _side(entry: Entry, roots: list[str], shared: Any) -> Any:
    """Returns one side's inputs: its own source, or a choice of names from the shared arrays."""
    if entry.is_mapping:
        values = entry.entries()
    elif entry.is_list:
        values = {str(i): one for i, one in enumerate(entry)}
    else:
        return _source(entry, roots)
    if is_table(values.values()):
        return _table(entry)
    if shared is None:
        raise entry.error(f"names of arrays, but there is none of {', '.join(_SOURCES)} to take them from")
    choice = {key: one.text() for key, one in values.items()}
    if isinstance(shared, (Batch, Mapping)):
        with entry.pointing():
            return _chosen(shared, choice, entry.is_list)
    return (_chosen(item, choice, entry.is_list) for item in shared)


def _chosen(shared: Any, choice: Mapping[str, str], by_position: bool) -> Batch:
    batch = shared if isinstance(shared, Batch) else Batch(kwargs=shared)
    for name in choice.values():
        if name not in batch.kwargs:
            there = ", ".join(batch.kwargs) or "none"
            raise InvalidRequestError(
                f"no array {shown(name)}; there are: {there}{near_names(name, batch.kwargs)}"
            )
    picked = {key: batch.kwargs[name] for key, name in choice.items()}
    if by_position:
        return Batch(args=tuple(picked.values()), target=batch.target)
    return Batch(kwargs=picked, target=batch.target)
