"""Ctrl-C: the end of a process, told from an exception of a model's own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import ROOT, Service, running

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import Side

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
PATIENCE = 30.0
SERVING = """
import sys, time
import fake_models
from fake_adapter import FakeAdapter
from padiff_worker.serve import serve

class Interrupting(fake_models.Net):
    def forward(self, x):
        {does}
        return super().forward(x)

serve(FakeAdapter(), Interrupting(), address=sys.argv[-1])
print("behind it", file=sys.stderr)
"""


def compare(service: Service, address: str, **options: Any) -> Report:
    served = Service(coordinator=service.coordinator, reference=service.reference, candidate=address)
    batches = Batches(({"x": X}, {"x": X}))
    return compare_on(
        served, model("fake_models:net"), Model(framework="fake"), batches, Options(**options), steps=1
    )


def script(folder: Path, does: str) -> str:
    file = folder / "serving.py"
    file.write_text(SERVING.format(does=does))
    return str(file)


def test_a_served_model_that_raises_an_interrupt_is_served_on(service: Service, tmp_path: Path) -> None:
    with running(script(tmp_path, "raise KeyboardInterrupt"), log=tmp_path / "log") as serving:
        for _ in range(2):
            report = compare(service, serving.address)
            (failure,) = report.failures
            assert (failure.side, failure.exception) == (Side.CANDIDATE, "KeyboardInterrupt")
        assert serving.process.poll() is None


def test_ctrl_c_ends_a_served_model_in_the_middle_of_its_forward(service: Service, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(script(tmp_path, "time.sleep(3600)"), log=log) as serving:
        report = compare(service, serving.address, timeout=1.0, preflight=False)
        assert report.troubles
        serving.process.send_signal(signal.SIGINT)
        assert serving.process.wait(PATIENCE) == 0
    assert "behind it" in log.read_text()
    assert "Traceback" not in log.read_text()


def commands() -> dict[str, str]:
    """Returns the module of each command, as the distribution names it."""
    scripts = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[2].partition("\n[")[0]
    return dict(re.findall(r'^(\S+) = "(\S+):main"$', scripts, re.MULTILINE))


# In the place of what every process of ours imports.
SLOW_IMPORT = """
import pathlib, time
pathlib.Path({here!r}).touch()
try:
    time.sleep(3600)
except KeyboardInterrupt:
    raise ImportError("no library behaves well when it is interrupted")
"""


# A run in the background ignores interrupts; not by a fork, in which gRPC's threads would have their say.
HEARING = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"


@pytest.mark.parametrize("command", sorted(commands()))
def test_ctrl_c_while_a_command_imports_is_one_line_and_130(tmp_path: Path, command: str) -> None:
    here = tmp_path / "here"
    (tmp_path / "numpy.py").write_text(SLOW_IMPORT.format(here=str(here)))
    # As the script does that an installer writes.
    process = subprocess.Popen(
        [sys.executable, "-c", f"{HEARING}; from {commands()[command]} import main; sys.exit(main())"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "client")])},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not here.exists():
        assert process.poll() is None, process.communicate()[1]
        threading.Event().wait(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (130, f"{command}: interrupted\n")


def test_an_interrupt_that_is_ignored_stays_ignored() -> None:
    program = (
        "import signal; from padiff_rpc.interrupts import end_at_interrupt, raise_at_interrupt\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "end_at_interrupt('padiff'); raise_at_interrupt(); signal.raise_signal(signal.SIGINT)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
