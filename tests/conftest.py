"""A skip that tests/allowed_skips.py does not list is a failure."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from allowed_skips import is_allowed

# No test finds what another has measured, nor leaves anything with the user.
os.environ["PADIFF_FLOORS"] = os.environ["PADIFF_STORE"] = os.environ["PADIFF_WARM"] = "none"

Report = Union[pytest.TestReport, pytest.CollectReport]


def _fail_if_not_allowed(report: Report) -> None:
    # An expected failure counts as skipped, too.
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    said = report.longrepr
    reason = str(said[2] if isinstance(said, tuple) else said).replace("Skipped: ", "", 1)
    if not is_allowed(report.nodeid, reason):
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid} was skipped ({reason}), which tests/allowed_skips.py does not allow"
        )


def pytest_runtest_setup() -> None:
    # A shell gives its background jobs an ignored SIGINT, which children inherit; and no test is to get
    # another one's handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    outcome: Any = yield
    _fail_if_not_allowed(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    outcome: Any = yield
    _fail_if_not_allowed(outcome.get_result())
