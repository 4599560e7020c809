"""Compose files are what Compose reads, and the Dockerfiles what their linter likes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from building import ROOT

DOCKER = ROOT / "docker"
TOOLS = ROOT / ".venv" / "containers" / "bin"


def checked(*command: object) -> None:
    if not TOOLS.exists():
        pytest.skip("no environment containers: run `make test-containers`")
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted(DOCKER.glob("compose*.yaml")), ids=lambda file: file.name)
def test_a_compose_file_fits_the_schema(file: Path) -> None:
    checked(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)


@pytest.mark.parametrize("file", sorted(DOCKER.glob("Dockerfile*")), ids=lambda file: file.name)
def test_a_dockerfile_has_no_lint(file: Path) -> None:
    checked(TOOLS / "hadolint", file)


def test_nothing_of_a_machine_stands_in_a_dockerfile() -> None:
    for file in DOCKER.glob("Dockerfile*"):
        text = file.read_text()
        assert "ARG BASE_IMAGE=docker.io/" in text
        assert "ARG PIP_INDEX_URL\n" in text
        assert "pip.conf" not in text
        assert "--index-url" not in text
