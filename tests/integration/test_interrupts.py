"""Ctrl-C: the end of a process, told from an exception of a model's own."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
from comparisons import compare_on, model
from processes import Service, running

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
