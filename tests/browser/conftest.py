"""A browser, and pages of reports in it, for the tests of this folder; `make test-browser` runs them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

import reports

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
    return reports.training(tmp_path_factory.mktemp("run"))


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
    context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda one: None if one.url.startswith("file:") else said.append(f"asked: {one.url}"))
    yield page
    context.close()
    assert not said


@pytest.fixture
def page(tab: Any, trained_file: Path) -> Any:
    """The report of a training, open."""
    tab.goto(trained_file.as_uri())
    return tab
