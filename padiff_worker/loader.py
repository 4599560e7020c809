"""References ("package.module:name") to callables, from inside the allowed folders and packages only."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from itertools import accumulate
from types import ModuleType
from typing import Any, Optional

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import near_modules
from padiff_worker.definitions import definition_of
from padiff_worker.import_roots import ImportRoots

# Of a module's own names in an error.
_NAMED = 8
_NAME = r"(?!__)[A-Za-z_]\w*"
_REFERENCE = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}")


class Loader:
    """Resolves references to callables.

    Each package and module of a reference must lie in one of `roots` (folders, in front of sys.path from
    now on) or in one of `allowed_packages`, which is settled before it is imported; and so must the code
    of the callable itself: a re-exported `os.system` is refused. What the user's code then imports and
    calls is its own business.
    """

    def __init__(self, roots: Sequence[str], allowed_packages: Sequence[str] = ()) -> None:
        self._roots = ImportRoots(roots, allowed_packages)

    def resolve(self, reference: str, *, field: str) -> Callable[..., Any]:
        """Returns the callable that `reference` names; `field` names it in errors.

        Raises InvalidRequestError for a malformed, unknown or forbidden reference. What the user's
        module raises when it is imported passes through.
        """
        if not _REFERENCE.fullmatch(reference):
            raise InvalidRequestError(
                f"{reference!r} is no reference; write package.module:name, "
                "with one plain name behind the colon and none that begins with two underscores",
                field=field,
            )
        where = repr(reference)
        module_name, _, name = reference.partition(":")
        self._check_places(module_name, where, field)
        found = _attribute(self._imported(module_name, where, field), name, where, field)
        if not callable(found):
            raise InvalidRequestError(f"{where} is a {type(found).__name__}, not a callable", field=field)
        definition = definition_of(found)
        if not self._roots.hold(definition):
            raise InvalidRequestError(
                f"{where} comes from {definition.file or 'module ' + repr(definition.module)}, outside "
                f"{self._roots}; write a function of your own that calls it, or allow its package",
                field=field,
            )
        return found  # type: ignore[no-any-return]

    def _check_places(self, module_name: str, where: str, field: str) -> None:
        """Refuses what lies outside the roots before it is imported: each package, then the module."""
        importlib.invalidate_caches()
        for name in accumulate(module_name.split("."), "{}.{}".format):
            if self._roots.names_allowed_package(name):
                return
            spec = self._spec(name, where, field)
            if not self._roots.hold_spec(spec):
                raise InvalidRequestError(
                    f"{where}: {name} lies outside {self._roots}; add its folder to the import roots, "
                    f"or allow the package {name.partition('.')[0]!r} at the worker",
                    field=field,
                )

    def _spec(self, name: str, where: str, field: str) -> ModuleSpec:
        spec: Optional[ModuleSpec] = None
        try:
            # Imports the packages around it, which were checked before.
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError as error:
            # Another's absence is the user's to hear of, from the module that asked for it.
            if not _is_part_of(name, error.name):
                raise
        except ValueError:  # sys.modules holds something without a spec under this name
            pass
        if spec is None:
            near = near_modules(name, self._roots.roots)
            raise InvalidRequestError(f"{where}: no module {name!r} in {self._roots}{near}", field=field)
        return spec

    def _imported(self, module_name: str, where: str, field: str) -> ModuleType:
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if _is_part_of(module_name, error.name):
                raise InvalidRequestError(
                    f"{where}: no module {error.name!r} in {self._roots}", field=field
                ) from None
            raise


def _attribute(module: ModuleType, name: str, where: str, field: str) -> Any:
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, vars(module), n=3, cutoff=0.5)
        if near:
            raise InvalidRequestError(
                f"{where}: the module has no {name!r}; did you mean {', '.join(near)}?", field=field
            )
        own = [
            known for known, one in vars(module).items() if getattr(one, "__module__", "") == module.__name__
        ]
        has = (
            f"it has {', '.join(own[:_NAMED])}{', ...' if own[_NAMED:] else ''}"
            if own
            else "it defines nothing"
        )
        raise InvalidRequestError(f"{where}: the module has no {name!r}; {has}", field=field)
    return getattr(module, name)


def _is_part_of(module_name: str, missing: Optional[str]) -> bool:
    return bool(missing) and (module_name == missing or module_name.startswith(f"{missing}."))
