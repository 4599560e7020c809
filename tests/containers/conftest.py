"""Images and a running composition for the tests of this folder; `make test-containers` runs them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Test modules are imported under names of their own, so they cannot import their neighbours otherwise.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from building import BASE_IMAGE, build_image, make_base_image, run, write_pip_configuration
from composition import Composition, open_composition

TOOLS = ("podman", "runc", "buildah", "debootstrap", "iptables")
IMAGES = {
    "Dockerfile.coordinator": "localhost/padiff/coordinator",
    "Dockerfile.torch": "localhost/padiff/torch-worker",
    "Dockerfile.paddle": "localhost/padiff/paddle-worker",
}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The three images, built on this machine."""
    if os.geteuid() != 0:
        pytest.skip("containers need root here")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"containers need {', '.join(missing)}: run tests/containers/install-tools")
    make_base_image()
    tried = run("podman", "run", "--rm", BASE_IMAGE, "true", check=False)
    if tried.returncode != 0:
        pytest.skip(f"no container runs on this machine: {tried.stderr.strip()}")
    settings = tmp_path_factory.mktemp("pip") / "pip.conf"
    write_pip_configuration(settings)
    for dockerfile, name in IMAGES.items():
        build_image(dockerfile, name, settings)


@pytest.fixture(scope="session")
def composition(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """compose.yaml as it is published, up and healthy; all of it is taken down at the end."""
    with open_composition(tmp_path_factory.mktemp("composition")) as running:
        yield running
