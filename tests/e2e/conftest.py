"""Real processes for the end-to-end tests: one coordinator, one Torch and one Paddle worker, all shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fakes"))
# Where the shared workers find models.
FOLDERS = (
    Path(__file__).resolve().parent / "models",
    *(ROOT / "examples" / name for name in ("resnet50", "vision", "bert", "decoder")),
)
STOP_SECONDS = 10


@dataclass(frozen=True)
class Service:
    """Addresses of running processes."""

    server: str
    torch: str
    paddle: str


def interpreter(framework: str) -> str:
    """Returns the Python that has `framework`; skips the test where there is none."""
    fallback = ROOT / ".venv" / framework / "bin" / "python"
    python = os.environ.get(f"PADIFF_{framework.upper()}_PYTHON", str(fallback))
    if not Path(python).exists():
        pytest.skip(f"no interpreter with {framework}: run `make test`")
    return python


@pytest.fixture(scope="session")
def torch_python() -> str:
    return interpreter("torch")


@pytest.fixture(scope="session")
def paddle_python() -> str:
    return interpreter("paddle")


@pytest.fixture(scope="session")
def transformers(torch_python: str) -> None:
    if subprocess.run([torch_python, "-c", "import transformers"], capture_output=True).returncode:
        pytest.skip("no transformers in the environment with Torch: run `make test`")


def _start(command: list[str], log: Path) -> tuple[subprocess.Popen[str], str]:
    """Returns a server process and the address that it prints when it serves."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=log.parent
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on "), f"{command}: {line!r}\n{log.read_text()}"
    return process, line.removeprefix("listening on ").strip()


@contextmanager
def _serving(folder: Path, commands: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Provides the addresses of server processes by name; they are stopped at the end."""
    processes: list[subprocess.Popen[str]] = []
    addresses = {}
    try:
        for name, command in commands.items():
            process, addresses[name] = _start([*command, "--listen", "127.0.0.1:0"], folder / f"{name}.log")
            processes.append(process)
        yield addresses
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _workers(torch_python: str, paddle_python: str) -> dict[str, list[str]]:
    roots = [word for models in FOLDERS for word in ("--path", str(models))]
    return {
        "torch": [torch_python, "-m", "padiff_worker_torch", *roots],
        "paddle": [paddle_python, "-m", "padiff_worker_paddle", *roots],
    }


@pytest.fixture(scope="session")
def service(
    torch_python: str, paddle_python: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    commands = {
        "server": [sys.executable, "-m", "padiff_server", "--allow-any-worker"],
        **_workers(torch_python, paddle_python),
    }
    with _serving(tmp_path_factory.mktemp("service"), commands) as addresses:
        yield Service(**addresses)


@pytest.fixture(scope="session")
def others(
    torch_python: str, paddle_python: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Another worker of each framework, so that one can be compared with itself."""
    commands = _workers(torch_python, paddle_python)
    with _serving(tmp_path_factory.mktemp("others"), commands) as addresses:
        yield addresses
