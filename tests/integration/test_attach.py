"""Comparisons that go on when their client is gone, and clients that come back to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import Service

from padiff_client import Report, cli
from padiff_client.json_values import plain
from padiff_compare.report.kept_run import GONE
from padiff_compare.report.run_store import RunStore, StoreRoom

PATIENCE = 120.0
STEPS = 40
SPEC = """
reference: {{model: 'fake_models:net', worker: '{reference}', optimizer: 'fake_models:sgd'{more}}}
candidate: {{model: 'fake_models:net', worker: '{candidate}', optimizer: 'fake_models:sgd'{more}}}
steps: 40
server: {{address: '{coordinator}'}}
"""
LOADED = ", loader: 'attach_models:batches'"
SENT = "inputs: sent_inputs:batches\n"
INPUTS = """
import os, signal
import numpy as np

def batches():
    for step in range(40):
        if step == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"x": np.full((5, 4), 0.1 * (step % 3), np.float32)}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADIFF_STORE", str(tmp_path / "runs"))
    return tmp_path


def detached(folder: Path, service: Service, *, loaded: bool) -> subprocess.Popen[bytes]:
    spec = SPEC.format(**vars(service), more=LOADED if loaded else "")
    (folder / "spec.yaml").write_text(spec if loaded else spec + SENT)
    (folder / "sent_inputs.py").write_text(INPUTS)
    with (folder / "out").open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "padiff_client.cli", "compare", "spec.yaml", "--detached"],
            cwd=folder,
            env=dict(os.environ),
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def begun(folder: Path) -> str:
    """Returns the name of the run, when something of it is kept."""
    store = RunStore(folder / "runs", StoreRoom())
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for run in store.runs():
            if run.report.rows:
                return run.head.id
        threading.Event().wait(0.01)
    raise AssertionError((folder / "out").read_text())


def test_a_client_that_comes_back_gets_all_of_its_comparison(
    service: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with detached(folder, service, loaded=True) as client:
        name = begun(folder)
        client.kill()
    assert client.returncode == -signal.SIGKILL
    assert f"padiff attach {name} follows it" in (folder / "out").read_text()
    store = RunStore(folder / "runs", StoreRoom())
    before = store.find(name).report
    assert before.summary.troubles[0].text == GONE

    report_file = folder / "report.full.json"
    attach = ["attach", name[:8], "--server", service.coordinator, "--format", f"json-full={report_file}"]
    assert cli.main(attach) == 0, capsys.readouterr()
    report = Report.load(report_file)
    assert report
    assert report.session == name
    assert [step.step for step in report.steps] == list(range(STEPS))
    # In the digits of a file.
    assert list(map(plain, report.all_rows[: len(before.rows)])) == list(map(plain, before.rows))
    # What the first client kept gave way to the whole, under its models' names.
    (run,) = store.runs()
    assert run.report.summary.passed
    assert run.head.reference == "fake_models:net"
    assert len(list((folder / "runs").iterdir())) == 1
    # Whoever comes once more gets it again.
    assert cli.main(attach) == 0


def test_without_its_clients_batches_a_comparison_ends_with_what_it_found(
    service: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with detached(folder, service, loaded=False) as client:
        assert client.wait(PATIENCE) == -signal.SIGKILL, (folder / "out").read_text()
    name = begun(folder)
    assert cli.main(["attach", name, "--server", service.coordinator]) == 2
    said = " ".join(capsys.readouterr().out.split())  # lines are filled to the terminal
    assert said.startswith(
        "FAIL: cut short: inputs of step 3: the client has no batch for step 3: it is gone"
    )
    assert "3 of 3 passed" in said


def test_a_session_that_nobody_knows_is_one_line(
    service: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["attach", "abc", "--server", service.coordinator]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("padiff: session: 'abc' has no report here")


def test_what_is_started_here_cannot_be_detached(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = "reference: {framework: torch, model: 'a:b'}\ncandidate: {framework: torch, model: 'a:b'}\n"
    (folder / "spec.yaml").write_text(f"{spec}inputs: {{}}\n")
    assert cli.main(["compare", str(folder / "spec.yaml"), "--detached"]) == 2
    assert "detached: a coordinator that is started here ends with this client" in capsys.readouterr().err
