"""`padiff ui` as a process: one address, a quiet end, one line where it cannot serve."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import page_reports
import pytest

_SECONDS = 60


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "padiff_client", "ui", "--no-browser", *flags]


def test_it_prints_one_address_serves_there_and_ends_quietly_at_ctrl_c(tmp_path: Path) -> None:
    page_reports.kept(tmp_path, page_reports.trained("aaaa1111"))
    asked = command("--store", str(tmp_path))
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", address)
        parts = urlsplit(address.strip())
        assert parts.port is not None
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=_SECONDS)
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        answer.read()
        connection.request("GET", "/runs", headers={"Cookie": cookie})
        assert b"aaaa1111" in connection.getresponse().read()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=_SECONDS)
    assert (process.returncode, *said) == (0, "", "")


def test_nothing_but_this_machine_can_reach_it(tmp_path: Path) -> None:
    asked = command("--store", str(tmp_path))
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline()).port
        assert port is not None
        # Another address of the loopback interface stands for any other.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=_SECONDS)
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("port", ["taken", "70000", "-1", "http"])
def test_a_port_that_cannot_be_had_is_one_line(tmp_path: Path, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = str(other.getsockname()[1]) if port == "taken" else port
        ended = subprocess.run(
            command("--store", str(tmp_path), f"--port={number}"),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    assert ended.returncode == 2
    assert ended.stdout == ""
    *usage, last = ended.stderr.splitlines()
    assert "--port" in last
    assert port == "http" or not usage
    if port == "taken":
        assert last == (
            f"padiff: --port: port {number} of 127.0.0.1 is in use; give another, or 0 for any that is free"
        )


def test_a_store_that_keeps_nothing_has_no_pages(tmp_path: Path) -> None:
    ended = subprocess.run(command("--store", "none"), capture_output=True, text=True, timeout=_SECONDS)
    assert (ended.returncode, ended.stderr) == (
        2,
        "padiff: --store: 'none' keeps no runs; name a folder\n",
    )
