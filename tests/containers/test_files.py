"""Compose files are what Compose reads, Dockerfiles what their linter likes; flags and keys in them exist."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from building import ROOT

from padiff_server import main as server
from padiff_server.config import read_config
from padiff_worker import main as worker

DOCKER = ROOT / "docker"
COMPOSE_FILES = sorted(DOCKER.glob("compose*.yaml"))
TOOLS = ROOT / ".venv" / "containers" / "bin"


def checked(*command: object) -> None:
    if not TOOLS.exists():
        pytest.skip("no environment containers: run `make test-containers`")
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=lambda file: file.name)
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


def started(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields the name and the arguments of each coordinator and worker that a file starts."""
    for document in yaml.safe_load_all(file.read_text()):
        for name, service in document.get("services", {}).items():
            if "entrypoint" not in service:
                yield name, service["command"]
        if document.get("kind") == "Deployment":
            for container in document["spec"]["template"]["spec"]["containers"]:
                yield container["name"], container["args"]


def parsed(name: str, arguments: list[str]) -> argparse.Namespace:
    """Returns what a process of that name makes of its arguments; an unknown one ends the test."""
    return (server._parser() if name == "coordinator" else worker._parser("torch")).parse_args(arguments)


@pytest.mark.parametrize("file", [*COMPOSE_FILES, DOCKER / "kubernetes.yaml"], ids=lambda file: file.name)
def test_what_a_file_starts_is_started_with_flags_that_there_are(file: Path) -> None:
    found = dict(started(file))
    assert found
    for name, arguments in found.items():
        given = parsed(name, arguments)
        if name == "coordinator":
            assert given.config == "/etc/padiff/server.yaml"
        else:
            assert given.listen == "0.0.0.0:50051"
            assert None not in (given.tls_cert, given.tls_key, given.tls_ca)


def configurations() -> dict[str, str]:
    texts = {file.name: file.read_text() for file in DOCKER.glob("server*.yaml")}
    documents = yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text())
    maps: list[dict[str, Any]] = [one["data"] for one in documents if one["kind"] == "ConfigMap"]
    return {**texts, "kubernetes.yaml": maps[0]["server.yaml"]}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    command = [sys.executable, "-m", "padiff_client.cli", "certs", "init", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", sorted(configurations()))
def test_a_coordinators_file_is_read_and_asks_for_mutual_tls(
    tmp_path: Path, certificates: Path, name: str
) -> None:
    file = tmp_path / "server.yaml"
    # In a container, certificates lie in one of these.
    file.write_text(re.sub("/run/secrets|/certs", str(certificates), configurations()[name]))
    config = read_config(str(file))
    assert config.serving.listen == "0.0.0.0:50050"
    assert config.serving.tls is not None
    assert config.serving.tls.ca
    assert not config.serving.insecure
    assert sorted(known.name for known in config.dial_rule.workers) == ["paddle", "torch"]
    assert not config.dial_rule.allows_any
