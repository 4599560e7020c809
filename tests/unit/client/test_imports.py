"""Imports of the client and of its command: what is not needed is not paid for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

import padiff_client

HEAVY = ("numpy", "grpc", "google.protobuf", "yaml", "msgpack", "sqlite3", "http.server", "cryptography")
REPORTS = f"print('found', *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"


def imported(code: str, *arguments: str) -> Sequence[str]:
    """Returns which heavy packages an interpreter has imported that ran `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\ntry:\n    {code}\nfinally:\n    {REPORTS}", *arguments],
        capture_output=True,
        text=True,
    )
    found, *names = done.stderr.splitlines()[-1].split()
    assert found == "found", done.stderr
    return names


def test_the_package_imports_nothing_until_a_name_is_asked_for() -> None:
    assert imported("import padiff_client") == []


def test_every_public_name_is_there_and_is_found_once() -> None:
    for name in padiff_client.__all__:
        assert getattr(padiff_client, name) is vars(padiff_client)[name]
    assert set(padiff_client.__all__) <= set(dir(padiff_client))
    with pytest.raises(AttributeError, match="has no attribute 'auto_dif'"):
        _ = padiff_client.auto_dif


@pytest.mark.parametrize("arguments", [["--version"], ["certs", "--help"]])
def test_a_command_imports_what_it_needs_alone(arguments: list[str]) -> None:
    assert imported("from padiff_client.cli import main; main()", *arguments) == []


def test_a_comparison_imports_no_page_server() -> None:
    found = imported("from padiff_client.cli import main; main()", "compare", "--help")
    assert not {"http.server", "cryptography"} & set(found)


def test_errors_and_records_need_no_grpc() -> None:
    assert imported("import padiff_rpc.errors, padiff_rpc.v1.records") == []
