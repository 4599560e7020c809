"""A coordinator, and a client, killed at random moments: no store is corrupted, no finished step is lost.

`make test-kills` makes 200 trials.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import Service, running

from padiff_client import Report
from padiff_compare.report.kept_run import DATABASE
from padiff_compare.report.run_store import RunStore, StoreRoom

ROUNDS = int(os.environ.get("PADIFF_KILL_ROUNDS", "12"))
STEPS = 20
PATIENCE = 120.0
SPEC = f"""
reference: {{{{model: 'fake_models:net', worker: '{{reference}}', optimizer: 'fake_models:sgd'}}}}
candidate:
  {{{{model: 'fake_models:net', worker: '{{candidate}}', optimizer: 'fake_models:sgd',
      kwargs: {{{{epsilon: 0.1}}}}}}}}
inputs: killed_inputs:batches
steps: {STEPS}
options: {{{{keep_going: true}}}}
server: {{{{address: '{{coordinator}}'}}}}
"""
# A batch is pulled when the step before it is over, and kept.
INPUTS = f"""
import os
import numpy as np

def batches():
    with open("pulled", "ab", buffering=0) as pulled:
        for step in range({STEPS}):
            pulled.write(b".")
            yield {{"x": np.full((5, 4), step, np.float32)}}
"""


@dataclass
class Trial:
    """A comparison by the command, in a folder of its own."""

    folder: Path
    service: Service

    def start(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir()
        (self.folder / "spec.yaml").write_text(SPEC.format(**vars(self.service)))
        (self.folder / "killed_inputs.py").write_text(INPUTS)
        written = ("--format", "json-full=report.full.json")
        with (self.folder / "out").open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "padiff_client.cli", "compare", "spec.yaml", *written],
                cwd=self.folder,
                env={**os.environ, "PADIFF_STORE": str(self.folder / "runs")},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def finished_steps(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return max((self.folder / "pulled").stat().st_size - 1, 0)
        return 0

    def check(self, rows_of_a_step: int) -> bool:
        """Fails unless all that was finished can be read; returns whether there was a run."""
        runs = list((self.folder / "runs").glob("*"))
        for run in runs:
            with closing(sqlite3.connect(run / DATABASE)) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store = RunStore(self.folder / "runs", StoreRoom())
        readable = store.runs()
        if not readable:
            assert self.finished_steps == 0
            return False
        (run,) = readable
        report = Report(run.report.summary, run.report.rows)
        assert str(report)
        steps = set(range(self.finished_steps))
        assert steps <= {step.step for step in report.steps}
        counted = Counter(row.step for row in report.all_rows)
        assert {step for step, count in counted.items() if count >= rows_of_a_step} >= steps
        return True


@pytest.fixture(scope="module")
def whole(service: Service, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, int]:
    """How long a comparison takes, and how many rows its last step has."""
    trial = Trial(tmp_path_factory.mktemp("whole") / "trial", service)
    began = time.monotonic()
    with trial.start() as client:
        assert client.wait(PATIENCE) == 1, (trial.folder / "out").read_text()
    seconds = time.monotonic() - began
    report = Report.load(trial.folder / "report.full.json")
    assert len(report.steps) == STEPS
    return seconds, sum(row.step == STEPS - 1 for row in report.all_rows)


def moments(seconds: float, seed: int) -> Iterator[float]:
    """Yields moments at random, over the length of a comparison."""
    chance = random.Random(seed)
    for _ in range(ROUNDS // 2):
        yield chance.uniform(0.0, seconds)


def test_a_client_that_is_killed_at_any_moment(
    service: Service, whole: tuple[float, int], tmp_path: Path
) -> None:
    seconds, rows = whole
    kept = 0
    for number, moment in enumerate(moments(seconds, seed=1)):
        trial = Trial(tmp_path / str(number), service)
        with trial.start() as client:
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(moment)
            client.kill()
        kept += trial.check(rows)
    assert kept


def test_a_coordinator_that_is_killed_at_any_moment(
    service: Service, whole: tuple[float, int], tmp_path: Path
) -> None:
    seconds, rows = whole
    kept = 0
    for number, moment in enumerate(moments(seconds, seed=2)):
        with running("-m", "padiff_server", "--allow-any-worker", log=tmp_path / f"{number}.log") as own:
            here = Service(own.address, service.reference, service.candidate)
            trial = Trial(tmp_path / str(number), here)
            with trial.start() as client:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    client.wait(moment)
                own.process.send_signal(signal.SIGKILL)
                code = client.wait(PATIENCE)
        has_run = trial.check(rows)
        kept += has_run
        # The report is in the client's hands as well, and says the same.
        if has_run:
            report = Report.load(trial.folder / "report.full.json")
            assert (code == 2) is bool(report.troubles)
            run = RunStore(trial.folder / "runs", StoreRoom()).find("last")
            assert Report(run.report.summary, run.report.rows).to_json(full=True) == report.to_json(full=True)
        else:
            assert code == 2
    assert kept
