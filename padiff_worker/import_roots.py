"""Code that a worker may be asked for by name: in its import roots, and in allowed packages."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

from padiff_worker.definitions import Definition

# What was installed is not the user's, even where an environment lies inside a root.
_INSTALLED = frozenset({"site-packages", "dist-packages"})
# Only a script's own worker has none: a command's are the working directory.
_NO_ROOTS = 'none; give serve() some: roots=["folder"]'


class ImportRoots:
    """The allowed folders and packages. `roots` are in front of sys.path from now on."""

    def __init__(self, roots: Sequence[str], allowed_packages: Sequence[str] = ()) -> None:
        self.roots = tuple(os.path.realpath(root) for root in roots)
        self._allowed_packages = tuple(allowed_packages)
        self._libraries = tuple(
            os.path.realpath(sysconfig.get_path(name))
            for name in ("stdlib", "platstdlib", "purelib", "platlib")
        )
        for root in reversed(self.roots):
            if root not in sys.path:
                sys.path.insert(0, root)

    def __str__(self) -> str:
        return f"the import roots ({', '.join(self.roots) or _NO_ROOTS})"

    def names_allowed_package(self, module: str) -> bool:
        """Whether `module` is one of the allowed packages, or in one."""
        return any(module == name or module.startswith(f"{name}.") for name in self._allowed_packages)

    def hold_spec(self, spec: ModuleSpec) -> bool:
        """Whether a module that was found but not imported yet may be imported.

        A namespace package may: it has no code of its own, and what lies in it is asked for one by one.
        """
        if spec.origin is not None and spec.has_location:
            return self.hold_file(spec.origin)
        portions = list(spec.submodule_search_locations or ())
        return spec.origin is None and any(self.hold_file(portion) for portion in portions)

    def hold(self, definition: Definition) -> bool:
        """Whether what is defined there may be called.

        Where its code is counts for more than the module that it says it is from, which a package may
        overwrite for what it exports.
        """
        if self.names_allowed_package(definition.module):
            return True
        if definition.file is not None:
            return self.hold_file(definition.file)
        module_file = getattr(sys.modules.get(definition.module), "__file__", None)
        return isinstance(module_file, str) and self.hold_file(module_file)

    def hold_file(self, path: str) -> bool:
        """Whether `path`, its links followed, lies in a root and is not part of what was installed."""
        real = os.path.realpath(path)
        return any(
            _is_below(real, root)
            and not _INSTALLED.intersection(real[len(root) :].split(os.sep))
            # A root above the interpreter's own libraries does not make them the user's.
            and not any(_is_below(real, library) and _is_below(library, root) for library in self._libraries)
            for root in self.roots
        )


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
