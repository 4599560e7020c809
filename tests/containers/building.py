"""The images, built without a registry: the base by debootstrap, the rest from docker/ as published."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE_IMAGE = "localhost/padiff-base:bookworm"
BASE_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
ENVIRONMENT = {**os.environ, "CONTAINERS_CONF": str(Path(__file__).with_name("containers.conf"))}
BUILD_SECONDS = 900
# Marks what these tests have built, so that they can throw away what they replace.
LABEL = "org.padiff.test"


def run(
    *command: str, check: bool = True, seconds: float = BUILD_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Runs a command of the containers' tools; returns what it printed. Raises AssertionError with that."""
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done


def make_base_image() -> None:
    """Makes the base image, unless this machine has it from an earlier run."""
    if run("podman", "image", "exists", BASE_IMAGE, check=False).returncode == 0:
        return
    with tempfile.TemporaryDirectory(prefix="padiff-base-") as name:
        tree, archive = Path(name, "tree"), Path(name, "base.tar")
        run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(tree))
        run("tar", "--create", "--file", str(archive), "--directory", str(tree), ".")
        run("podman", "import", "--quiet", str(archive), BASE_IMAGE)


def build_image(dockerfile: str, name: str, pip_configuration: Path) -> None:
    """Builds docker/`dockerfile` as `name` on the base image, with this machine's pip settings mounted."""
    mounts = [f"{pip_configuration}:/etc/pip.conf", *(f"{path}:{path}" for path in _paths(pip_configuration))]
    run(
        *(
            "buildah",
            "bud",
            "--isolation",
            "chroot",
            "--format",
            "docker",
            "--layers",
            "--label",
            f"{LABEL}=1",
        ),
        *("--build-arg", f"BASE_IMAGE={BASE_IMAGE}"),
        *(word for mount in mounts for word in ("--volume", f"{mount}:ro")),
        *("--file", str(ROOT / "docker" / dockerfile), "--tag", name, str(ROOT)),
    )
    run("podman", "image", "prune", "--force", "--filter", f"label={LABEL}")


def write_pip_configuration(file: Path) -> None:
    """Writes what pip is told on this machine, by its files and by its environment, as one file."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: not line.startswith("global.")):
        name, _, value = line.partition("=")
        scope, _, key = name.rpartition(".")
        if scope in ("global", ":env:") and key != "config-file":
            settings[key] = value.strip("'")
    lines = [f"{key} = {value}" for key, value in settings.items()]
    file.write_text("\n".join(["[global]", *lines, ""]))


def _paths(pip_configuration: Path) -> set[Path]:
    """Returns the files and folders of this machine that the settings name."""
    found = set()
    for line in pip_configuration.read_text().splitlines():
        for word in line.partition("=")[2].split():
            path = Path(word[len("file://") :] if word.startswith("file://") else word)
            if path.is_absolute() and path.exists():
                # The pages of an index lie in `simple`, and point to files beside it.
                found.add(path.parent if path.name == "simple" else path)
    return found
