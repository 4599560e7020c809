"""The plugin for pytest: the fixture `padiff`, and failures that are the report and nothing else.

It is loaded in every suite of an environment that has this package, so it imports no part of the client
before a test asks for the fixture, and leaves tests that do not ask alone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

_CLIENT = "padiff_client"
_FIXTURE = "padiff"
# What says everything in its text.
_PLAIN = ("Disagreement", "PaDiffError")


@pytest.fixture(name=_FIXTURE)
def _padiff(request: pytest.FixtureRequest) -> Any:
    """Starts comparisons: `padiff.compare("spec.yaml")`, `padiff.auto_diff(layer, module, ...)`.

    A relative path starts at the test's folder. Both return the report; its `assert_agree()`
    is the test.
    """
    return importlib.import_module(f"{_CLIENT}.in_tests").Comparisons(request.path.parent)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Shows of a comparison's failure its text alone: no stack says more."""
    outcome: Any = yield
    if call.excinfo is None or _FIXTURE not in getattr(item, "fixturenames", ()):
        return
    client = sys.modules.get(_CLIENT)
    kinds = tuple(getattr(client, name) for name in _PLAIN) if client is not None else ()
    if isinstance(call.excinfo.value, kinds):
        outcome.get_result().longrepr = str(call.excinfo.value)
