"""Standard output that knows ASCII alone, and whose reader has gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPARED = """
import sys
from padiff_client import Report, cli
from padiff_client.commands import spec_runs
from padiff_rpc.v1.records import Coverage, ReportSummary

spec_runs.compare = lambda asked: Report(ReportSummary(session="s", passed={passed}, coverage=Coverage()))
sys.exit(cli.main(["compare", {spec!r}, "--json", {out!r}]))
"""
DRAWN = """
from padiff_client.terminal import adapt_streams, printed

adapt_streams()
printed("root\\n├── häuser\\n│   └── 层\\n└── ... 2 more")
"""


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_a_reader_that_has_gone_changes_neither_exit_code_nor_files(
    tmp_path: Path, passed: bool, code: int
) -> None:
    spec, out = tmp_path / "spec.yaml", tmp_path / "report.json"
    model = "{framework: torch, model: 'a:b'}"
    spec.write_text(f"reference: {model}\ncandidate: {model}\ninputs: {{}}\n")
    reader, writer = os.pipe()
    os.close(reader)
    script = COMPARED.format(passed=passed, spec=str(spec), out=str(out))
    run = subprocess.run(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (run.returncode, run.stderr) == (code, "")
    assert out.exists()


def test_a_stream_that_knows_ascii_alone_gets_ascii() -> None:
    run = subprocess.run(
        [sys.executable, "-c", DRAWN],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert run.stdout.decode("ascii").splitlines() == [
        "root",
        "|-- h\\xe4user",
        "|   `-- \\u5c42",
        "`-- ... 2 more",
    ]


def test_a_stream_that_knows_more_gets_what_is_written() -> None:
    run = subprocess.run(
        [sys.executable, "-c", DRAWN],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert "├── häuser" in run.stdout.decode()


@pytest.mark.parametrize(
    "module", ["padiff_client", "padiff_server", "padiff_worker_torch", "padiff_worker_paddle"]
)
def test_each_command_says_what_it_takes_without_a_framework(module: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", module, "--help"], stdout=subprocess.PIPE, text=True, check=True
    )
    assert run.stdout.startswith("usage: padiff")
