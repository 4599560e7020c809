"""The start hook by which scripts are watched of which no line says so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import FAKES, ROOT

from padiff_rpc.watch_orders import VARIABLE, WatchOrders

HOOK = ROOT / "padiff_worker" / "start_hook"
SECONDS = 30
SCRIPT = """
import sys
assert "fake" not in sys.modules
import fake
import fake_models

print("imported", flush=True)
model, other = fake_models.Net(), fake.Linear(4, 4)
x = fake.Tensor(__import__("numpy").ones((2, 4), "float32"))
other(x)
with fake.gradient_mode(False):
    model(x)
print("evaluated", flush=True)
model(x)
print("stepped", flush=True)
"""


@contextmanager
def started(folder: Path, text: str, *paths: Path, watched: str = "Net") -> Iterator[subprocess.Popen[str]]:
    """Runs a script as `padiff run --watch` does."""
    (folder / "script.py").write_text(text)
    orders = WatchOrders(
        listen="127.0.0.1:0",
        announce=str(folder / "address"),
        watched_class=watched,
        adapters={"fake": "fake_adapter:FakeAdapter"},
    )
    orders.write(folder / "orders")
    path = os.pathsep.join(map(str, (HOOK, *paths, ROOT, FAKES)))
    process = subprocess.Popen(
        [sys.executable, str(folder / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, VARIABLE: str(folder / "orders")},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_first_step_of_the_class_waits_for_its_comparison_and_nothing_before_it(tmp_path: Path) -> None:
    with started(tmp_path, SCRIPT) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["imported\n", "evaluated\n"]
        for _ in range(SECONDS * 20):
            if (tmp_path / "address").exists():
                break
            threading.Event().wait(0.05)
        assert (tmp_path / "address").read_text().startswith("127.0.0.1:")
        assert process.poll() is None


def test_a_script_without_a_model_of_the_class_runs_to_its_end(tmp_path: Path) -> None:
    with started(tmp_path, SCRIPT, watched="Other") as process:
        out, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, err) == (0, "")
        assert out == "imported\nevaluated\nstepped\n"


def test_the_environments_own_start_hook_runs_too(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text("print('own')\n")
    with started(
        tmp_path, "import sitecustomize; print(sitecustomize.__file__)", tmp_path / "own"
    ) as process:
        out, _ = process.communicate(timeout=SECONDS)
        assert out == f"own\n{tmp_path / 'own' / 'sitecustomize.py'}\n"


def test_an_interpreter_without_the_workers_package_says_so_and_runs_the_script(tmp_path: Path) -> None:
    (tmp_path / "none" / "padiff_worker").mkdir(parents=True)
    (tmp_path / "none" / "padiff_worker" / "__init__.py").write_text("raise ImportError('none')\n")
    with started(tmp_path, "print('done')", tmp_path / "none") as process:
        out, err = process.communicate(timeout=SECONDS)
        assert out == "done\n"
        assert err.startswith(f"padiff: {sys.executable} cannot be watched: none; run: ")
        assert err.count("\n") == 1
