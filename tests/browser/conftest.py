"""A browser, and pages of reports in it, for the tests of this folder; `make test-browser` runs them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

import page_reports as reports

from padiff_client import Report

# None of these is a user's: a browser in a container of CI runs as root, which its sandbox refuses.
_FLAGS = ("--no-sandbox",) if os.geteuid() == 0 else ()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("pages need chromium: run tests/containers/install-tools")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return reports.kept(tmp_path_factory.mktemp("run"), reports.trained())


@pytest.fixture(scope="session")
def trained_file(trained: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    trained.save(file)
    return file


@pytest.fixture(scope="session")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "large.html"
    reports.large().save(file)
    return file


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """An empty tab, offline; whatever it says on its console, or asks a network for, fails the test."""
    with _quiet_tab(browser, "file:", offline=True) as page:
        yield page


@contextmanager
def _quiet_tab(browser: Any, asks: str, **given: Any) -> Iterator[Any]:
    """Provides an empty tab; what it says on its console, or asks of others than `asks`, fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, **given)
    page = context.new_page()
    page.set_default_timeout(20_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda one: None if one.url.startswith(asks) else said.append(f"asked: {one.url}"))
    yield page
    context.close()
    assert not said


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with four kept runs: two with faults, one that passed, one that was cut short."""
    folder = tmp_path / "runs"
    folder.mkdir(mode=0o700)
    for number, (name, fault) in enumerate((("aaaa1111", 2e-3), ("bbbb2222", 2e-5), ("cccc3333", 0.0))):
        reports.kept(folder, reports.trained(name, fault, 1.7e9 + 3600 * number))
    reports.kept(folder, reports.interrupted("dddd4444", 1.7e9 - 3600))
    return folder


@pytest.fixture
def served(store: Path) -> Iterator[str]:
    """The address, token included, of a running `padiff ui` over that folder."""
    command = [sys.executable, "-m", "padiff_client", "ui", "--no-browser", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)


@pytest.fixture
def runs(browser: Any, served: str) -> Iterator[Any]:
    """The list of kept runs, open."""
    with _quiet_tab(browser, served.partition("?")[0]) as page:
        page.goto(served)
        page.get_by_role("table", name="Kept runs").wait_for()
        yield page


@pytest.fixture
def page(tab: Any, trained_file: Path) -> Any:
    """The report of a training, open."""
    tab.goto(trained_file.as_uri())
    return tab
