"""Users' training scripts over the NumPy fake, and the commands that run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from processes import FAKES, ROOT

from padiff_client.report import Report

SECONDS = 60

# {faults} of a step, {between} them, {optimizer} what ends one.
SCRIPT = """
import sys
import fake
import fake_models
import numpy as np
from fake_adapter import FakeAdapter
from padiff_worker import watch

fake.seed(0)
model = fake_models.Net()
for number, parameter in enumerate(fake.parameters(model)):
    rng = np.random.default_rng(number)
    parameter.array[...] = rng.standard_normal(parameter.shape).astype(np.float32) / 2
optimizer = fake.SGD(model, lr=0.1)
watch.watch(FakeAdapter(), model, {watched})
for step in range({made}):
    x = fake.Tensor(np.random.default_rng(step).standard_normal((5, 4)).astype(np.float32))
    {forward}
    loss = (output * output).sum() * np.float32({scale})
    {between}
    fake.run_backward(loss)
    optimizer.step()
    optimizer.clear()
    print("step", step, flush=True)
    model.train(False)
    with fake.gradient_mode(False):
        model(x)
    model.train()
print("done, with", sum(len(one._pre) for _, one in fake.walk(model)), "hooks", flush=True)
"""


def script(**parts: Any) -> str:
    """Returns a script that makes 4 steps and is watched with its optimizer, but for these parts."""
    usual = {
        "watched": "optimizer",
        "made": 4,
        "forward": "output = model(x)",
        "scale": "1",
        "between": "pass",
    }
    return SCRIPT.format(**{**usual, **parts})


def environment(**more: str) -> dict[str, str]:
    """Returns what commands and scripts need to find the packages and the fake."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "client"), str(FAKES)])
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **more}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it and its script wrote."""

    status: int
    out: str
    err: str


class Command:
    """A running `padiff` command."""

    def __init__(self, arguments: Sequence[str], more: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "padiff_client.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**more),
            start_new_session=True,
        )

    def ended(self) -> Ended:
        """Waits for its end."""
        out, err = self.process.communicate(timeout=SECONDS)
        return Ended(status=self.process.returncode, out=out, err=err)

    def line_on_stderr(self, part: str) -> str:
        """Returns the next line on stderr that holds `part`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if part in line:
                return line
        raise AssertionError(f"{part!r} was never said")


class Commands:
    """The commands of one test, which share a name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = uuid.uuid4().hex[:12]
        self._all: list[Command] = []

    def start(self, *arguments: str, **more: str) -> Command:
        command = Command(arguments, more)
        self._all.append(command)
        return command

    def run(self, side: str, text: str, *flags: str, command: Sequence[str] = (sys.executable,)) -> Command:
        """Starts a script as one side."""
        file = self.folder / f"{side}_script.py"
        file.write_text(text)
        return self.start("run", "--side", side, "--name", self.name, *flags, "--", *command, str(file))

    def compared(
        self, reference: str, candidate: str, *flags: str, steps: int = 3
    ) -> tuple[Report, Ended, Ended]:
        """Returns the report of two scripts, and how the candidate's and the reference's commands ended."""
        file = self.folder / "report.json"
        other = self.run("reference", reference)
        own = self.run("candidate", candidate, "--steps", str(steps), "--json", str(file), *flags)
        candidates, references = own.ended(), other.ended()
        assert file.exists(), candidates.err + references.err
        return Report.load(file), candidates, references

    def close(self) -> None:
        for command in self._all:
            command.process.kill()
            command.process.communicate()


@contextmanager
def commands(folder: Path) -> Iterator[Commands]:
    """Provides commands; at the end none is left."""
    made = Commands(folder)
    try:
        yield made
    finally:
        made.close()


def read(file: Path) -> Optional[Any]:
    return json.loads(file.read_text()) if file.exists() else None
