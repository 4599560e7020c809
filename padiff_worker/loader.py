"""References ("package.module:name") to callables, from inside the allowed folders and packages only."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Optional

from padiff_rpc.errors import InvalidRequestError

_REFERENCE = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")


class Loader:
    """Resolves references to callables.

    A reference's top package must lie in one of `roots` (folders, in front of sys.path from now on) or
    be one of `allowed_packages`, and so must the module that the resolved callable says it is from:
    a re-exported `os.system` is refused. What the user's code then imports is its own business.
    """

    def __init__(self, roots: Sequence[str], allowed_packages: Sequence[str] = ()) -> None:
        self.roots = tuple(os.path.realpath(root) for root in roots)
        self._allowed = tuple(allowed_packages)
        for root in reversed(self.roots):
            if root not in sys.path:
                sys.path.insert(0, root)

    def resolve(self, reference: str, *, field: str) -> Callable[..., Any]:
        """Returns the callable that `reference` names; `field` names it in errors.

        Raises InvalidRequestError for a malformed, unknown or forbidden reference. What the user's
        module raises when it is imported passes through.
        """
        if not _REFERENCE.match(reference):
            raise InvalidRequestError(
                f"{field}: {reference!r} is no reference; write package.module:name, "
                "with one plain name behind the colon"
            )
        module_name, _, name = reference.partition(":")
        self._check_package(module_name, reference, field)
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                raise InvalidRequestError(
                    f"{field}: {reference!r}: no module {error.name!r} in {self._where()}"
                ) from None
            raise
        if not hasattr(module, name):
            near = difflib.get_close_matches(name, vars(module), n=3, cutoff=0.5)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise InvalidRequestError(f"{field}: {reference!r}: the module has no {name!r}{hint}")
        found = getattr(module, name)
        if not callable(found):
            raise InvalidRequestError(f"{field}: {reference!r} is a {type(found).__name__}, not a callable")
        home = getattr(found, "__module__", None) or "builtins"
        if not self._is_allowed(home):
            raise InvalidRequestError(
                f"{field}: {reference!r} comes from module {home!r}, outside {self._where()}; "
                "wrap it in a function of your own, or allow its package"
            )
        return found  # type: ignore[no-any-return]

    def _check_package(self, module_name: str, reference: str, field: str) -> None:
        """Refuses a package outside the roots before anything of it is imported."""
        if self._is_allowed_name(module_name):
            return
        importlib.invalidate_caches()
        top = module_name.partition(".")[0]
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise self._unknown_module(top, reference, field)
        places = (
            [spec.origin]
            if spec.origin and spec.has_location
            else list(spec.submodule_search_locations or ())
        )
        if not places or not all(place and self._inside(place) for place in places):
            raise InvalidRequestError(
                f"{field}: {reference!r} lies outside {self._where()}; add its folder to the import roots, "
                f"or allow the package {top!r} at the worker"
            )

    def _is_allowed(self, module_name: str) -> bool:
        if self._is_allowed_name(module_name):
            return True
        file: Optional[str] = getattr(sys.modules.get(module_name), "__file__", None)
        return file is not None and self._inside(file)

    def _is_allowed_name(self, module_name: str) -> bool:
        return any(module_name == name or module_name.startswith(f"{name}.") for name in self._allowed)

    def _inside(self, place: str) -> bool:
        real = os.path.realpath(place)
        return any(
            real.startswith(root + os.sep) and "site-packages" not in real[len(root) :].split(os.sep)
            for root in self.roots
        )

    def _unknown_module(self, name: str, reference: str, field: str) -> InvalidRequestError:
        return InvalidRequestError(f"{field}: {reference!r}: no module {name!r} in {self._where()}")

    def _where(self) -> str:
        return f"the import roots ({', '.join(self.roots) or 'none'})"
