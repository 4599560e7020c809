"""Watching a script of which no line says so: what runs in it before its first line.

The script may import a framework when it likes, and set what that reads before. So nothing of a framework
is imported here: its import is awaited.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Optional

from padiff_rpc.watch_orders import WatchOrders, given_orders


def install() -> None:
    """Has the class watched that this process's orders name, if they name one."""
    orders = given_orders(os.environ)
    if orders is not None and orders.watched_class:
        sys.meta_path.insert(0, FrameworkAwaited(orders))


class FrameworkAwaited(MetaPathFinder):
    """Finds modules as others do; behind the import of a framework, its models' calls are watched."""

    def __init__(self, orders: WatchOrders) -> None:
        self._orders = orders

    def find_spec(
        self, name: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """Returns None for all but a framework's package, which the path has."""
        if name not in self._orders.adapters:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            self._run_behind(spec.loader, name)
        return spec

    def _run_behind(self, loader: Any, name: str) -> None:
        execute = loader.exec_module

        def executed(module: ModuleType) -> None:
            execute(module)
            self._watch(name)

        loader.exec_module = executed

    def _watch(self, name: str) -> None:
        # It imports the worker's server, which a process without a framework does not need.
        from padiff_worker.watch import watch_class

        module, _, adapter = self._orders.adapters[name].partition(":")
        watch_class(getattr(importlib.import_module(module), adapter)(), self._orders)
