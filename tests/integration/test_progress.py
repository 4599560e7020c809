"""A comparison that tells how far it is: at the foot of a terminal, in plain lines, or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Service

PATIENCE = 60.0
SPEC = """
reference: {{model: 'fake_models:net', worker: '{reference}', optimizer: 'fake_models:sgd'}}
candidate: {{model: 'fake_models:net', worker: '{candidate}', optimizer: 'fake_models:sgd'}}
steps: 3
inputs: waiting_inputs:batches
server: {{address: '{coordinator}'}}
"""
# The second batch comes when the test lets it.
INPUTS = """
import numpy as np

def batches():
    for step in range(3):
        if step == 1:
            open("gate").readline()
        yield {"x": np.full((5, 4), 0.1 * step, np.float32)}
"""
WAITS = "inputs, step 1 (2 of 3)"
# What moves the cursor, colours and clears.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def folder(service: Service, tmp_path: Path) -> Iterator[Path]:
    """A folder with a spec, whose inputs wait until `let_go`."""
    (tmp_path / "spec.yaml").write_text(SPEC.format(**vars(service)))
    (tmp_path / "waiting_inputs.py").write_text(INPUTS)
    os.mkfifo(tmp_path / "gate")
    # Open for both, so that neither end waits for the other.
    held = os.open(tmp_path / "gate", os.O_RDWR)
    yield tmp_path
    os.close(held)


def started(folder: Path, *flags: str, stderr: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "padiff_client", "compare", "spec.yaml", *flags],
        cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", "PADIFF_STORE": "none", **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def let_go(folder: Path) -> None:
    (folder / "gate").write_text("go on\n")


class Terminal:
    """A terminal of some columns, and what was written to it."""

    def __init__(self, columns: int) -> None:
        self._ours, self.theirs = os.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._content = b""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def written(self) -> str:
        return self._content.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: text in CONTROL.sub("", self.written), PATIENCE)

    def close(self) -> None:
        os.close(self.theirs)
        self._thread.join()
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                content = os.read(self._ours, 4096)
            except OSError:  # nobody has it open any more
                return
            with self._changed:
                self._content += content
                self._changed.notify_all()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal(80)
    yield made
    made.close()


def test_a_terminal_shows_where_a_run_is_and_is_clear_behind_it(folder: Path, terminal: Terminal) -> None:
    pytest.importorskip("rich")
    with started(folder, stderr=terminal.theirs) as run:
        terminal.wait_for(WAITS)
        let_go(folder)
        out, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, out
    # The progress has left standard output alone.
    assert out.startswith("PASS")
    assert "\x1b" not in out
    said = terminal.written
    assert "━" in said
    assert max(map(len, CONTROL.sub("", said).splitlines())) <= 80
    # The cursor is shown again, and the last line is cleared.
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
    assert said.rindex("\x1b[2K") > said.rindex("━")


def test_without_colour_the_terminal_gets_none(folder: Path, terminal: Terminal) -> None:
    pytest.importorskip("rich")
    with started(folder, stderr=terminal.theirs, NO_COLOR="1") as run:
        terminal.wait_for(WAITS)
        let_go(folder)
        run.communicate(timeout=PATIENCE)
    assert run.returncode == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.written)


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_go_back_gets_plain_lines(folder: Path, terminal: Terminal, term: str) -> None:
    with started(folder, stderr=terminal.theirs, TERM=term) as run:
        terminal.wait_for(f"s: {WAITS}")
        let_go(folder)
        run.communicate(timeout=PATIENCE)
    assert run.returncode == 0
    assert "\x1b" not in terminal.written


def test_a_pipe_gets_a_line_for_a_phase_that_lasts(folder: Path) -> None:
    with started(folder, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        lines = []
        for line in run.stderr:
            lines.append(line)
            if WAITS in line:
                break
        let_go(folder)
        run.communicate(timeout=PATIENCE)
    assert run.returncode == 0
    assert re.match(rf"padiff: [0-9]+ s: {re.escape(WAITS)}", lines[-1])


def test_a_quiet_run_says_nothing_and_its_log_all(folder: Path) -> None:
    with started(folder, "-q", "--log-file", "run.log", stderr=subprocess.PIPE) as run:
        let_go(folder)
        out, errors = run.communicate(timeout=PATIENCE)
    assert (run.returncode, errors) == (0, ""), out
    said = (folder / "run.log").read_text().splitlines()
    assert all(re.match(r"[0-9-]{10} [0-9:,]{12} INFO ", line) for line in said), said
    for told in ("building the models", WAITS, "weights, step 2 (3 of 3)"):
        assert any(line.endswith(told) for line in said), (told, said)


def test_a_verbose_run_tells_every_phase(folder: Path) -> None:
    with started(folder, "-v", stderr=subprocess.PIPE) as run:
        let_go(folder)
        _, errors = run.communicate(timeout=PATIENCE)
    said = errors.splitlines()
    for told in ("building the models", "forward, step 0 (1 of 3)", WAITS):
        assert any(line.startswith(f"padiff: {told}") for line in said), (told, said)


def test_quiet_and_verbose_exclude_each_other(folder: Path) -> None:
    with started(folder, "-q", "-v", stderr=subprocess.PIPE) as run:
        _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 2
    assert "not allowed with" in errors
