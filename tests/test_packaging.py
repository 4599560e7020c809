"""The distribution: what the wheel holds, what an install pulls in, and who can import which framework."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "padiff_client",
    "padiff_rpc",
    "padiff_compare",
    "padiff_server",
    "padiff_worker",
    "padiff_worker_paddle",
    "padiff_worker_torch",
)
SOURCES = (
    "padiff_rpc",
    "padiff_compare",
    "padiff_server",
    "padiff_worker",
    "padiff_worker_paddle",
    "padiff_worker_torch",
    "client",
)
FRAMEWORKS = {"torch", "paddlepaddle"}


def _copied(folder: Path) -> Path:
    """Returns `folder` with what a build reads, so that nothing left over from an earlier one gets in."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def _built(folder: Path) -> zipfile.Path:
    """Returns the wheel of the sources in a folder, built as pip builds them for anybody."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir"]
    built = subprocess.run([*command, str(folder / "dist"), str(folder)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (file,) = (folder / "dist").glob("padiff_rpc-*.whl")
    return zipfile.Path(file)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """That of a release: a git tag, and nothing changed behind it."""
    folder = _copied(tmp_path_factory.mktemp("release"))
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "A release"), ("tag", "v7.8.9")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return _built(folder)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.Path) -> Message:
    return _metadata(wheel)


def _metadata(wheel: zipfile.Path) -> Message:
    (info,) = (one for one in wheel.iterdir() if one.name.endswith(".dist-info"))
    return email.message_from_string((info / "METADATA").read_text())


def _requirements(metadata: Message, extra: str = "") -> set[str]:
    """Names required by a plain install, or by `extra` alone."""
    found = set()
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, marker = line.partition(";")
        (of_extra,) = re.findall(r"extra == [\"'](\w+)[\"']", marker) or [""]
        if of_extra == extra:
            found.add(re.split(r"[^\w-]", requirement.strip())[0].lower())
    return found


def test_the_version_is_the_tag_of_the_release(metadata: Message) -> None:
    assert metadata["Version"] == "7.8.9"


def test_sources_without_git_build_too_under_the_fallback_version(tmp_path: Path) -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    (fallback,) = re.findall(r'^fallback_version = "(.+)"$', settings, re.MULTILINE)
    assert _metadata(_built(_copied(tmp_path)))["Version"] == fallback


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_module_and_says_that_it_is_typed(wheel: zipfile.Path, package: str) -> None:
    folder = ROOT / "client" / package if package == "padiff_client" else ROOT / package
    expected = {f"{package}/{file.relative_to(folder).as_posix()}" for file in folder.rglob("*.py")}
    held = {name for name in wheel.root.namelist() if name.startswith(f"{package}/")}
    assert expected | {f"{package}/py.typed"} <= held


def test_the_wheel_holds_the_schemas(wheel: zipfile.Path) -> None:
    assert {"report.schema.json", "spec.schema.json"} == {
        file.name for file in (wheel / "padiff_client/schemas").iterdir()
    }


def test_the_schemas_are_those_of_the_records(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "tools" / "generate_schemas.py"), str(tmp_path)], check=True)
    for made in tmp_path.iterdir():
        kept = ROOT / "client" / "padiff_client" / "schemas" / made.name
        assert kept.read_text() == made.read_text(), "run `make schemas`"


def test_the_wheel_holds_what_a_page_is_put_together_from(wheel: zipfile.Path) -> None:
    folder = ROOT / "client" / "padiff_client" / "page"
    assert {f"padiff_client/page/{file.name}" for file in folder.iterdir()} <= set(wheel.root.namelist())


def test_the_wheel_holds_nothing_else(wheel: zipfile.Path) -> None:
    tops = {name.partition("/")[0] for name in wheel.root.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_console_scripts_point_at_callables(wheel: zipfile.Path) -> None:
    (info,) = (one for one in wheel.iterdir() if one.name.endswith(".dist-info"))
    scripts = dict(re.findall(r"^(\S+) = (\S+):main$", (info / "entry_points.txt").read_text(), re.MULTILINE))
    assert set(scripts) == {
        *("padiff", "padiff-server", "padiff-recording", "padiff-worker-torch", "padiff-worker-paddle")
    }
    for module in scripts.values():
        assert "def main(" in (wheel / f"{module.replace('.', '/')}.py").read_text()


def test_pytest_finds_the_plugin(wheel: zipfile.Path) -> None:
    (info,) = (one for one in wheel.iterdir() if one.name.endswith(".dist-info"))
    assert "[pytest11]\npadiff = padiff_rpc.pytest_plugin\n" in (info / "entry_points.txt").read_text()
    assert (wheel / "padiff_rpc/pytest_plugin.py").exists()


def test_a_plain_install_pulls_no_framework(metadata: Message) -> None:
    assert metadata["Name"] == "padiff-rpc"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert _requirements(metadata)
    assert not _requirements(metadata) & FRAMEWORKS


def test_each_framework_comes_with_its_own_extra_only(metadata: Message) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) >= {"torch", "paddle", "server", "dev"}
    assert _requirements(metadata, "torch") == {"torch"}
    assert _requirements(metadata, "paddle") == {"paddlepaddle"}
    assert not (_requirements(metadata, "server") | _requirements(metadata, "dev")) & FRAMEWORKS


def _interpreter(environment: str) -> str:
    if environment == "client":
        return sys.executable
    fallback = ROOT / ".venv" / environment / "bin" / "python"
    python = os.environ.get(f"PADIFF_{environment.upper()}_PYTHON", str(fallback))
    if not Path(python).exists():
        pytest.skip(f"no environment with {environment}: run `make test`")
    return python


def _finds(python: str, module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], cwd=ROOT / "tests").returncode == 0


@pytest.mark.parametrize(
    ("environment", "own", "other"),
    [
        ("torch", "torch", ["paddle"]),
        ("paddle", "paddle", ["torch"]),
        ("client", "padiff_server", ["torch", "paddle"]),
    ],
)
def test_no_process_can_import_the_other_sides_framework(
    environment: str, own: str, other: list[str]
) -> None:
    python = _interpreter(environment)
    assert _finds(python, own)
    for framework in other:
        assert not _finds(python, framework)
        tried = subprocess.run([python, "-c", f"import {framework}"], capture_output=True, text=True)
        assert tried.returncode == 1
        assert f"ModuleNotFoundError: No module named '{framework}'" in tried.stderr


PRELOADED = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        is_run, is_compiled = module.name.endswith("__main__"), module.name.endswith("._kernel")
        if not is_run and not is_compiled and ".conformance" not in module.name:
            importlib.import_module(module.name)
loaded = {"torch", "paddle"} & set(sys.modules)
sys.exit(f"imported {sorted(loaded)}" if loaded else 0)
"""


def test_client_and_coordinator_import_whole_without_a_framework() -> None:
    packages = ["padiff_rpc", "padiff_compare", "padiff_server", "padiff_worker", "padiff_client"]
    tried = subprocess.run([sys.executable, "-c", PRELOADED, *packages], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr
