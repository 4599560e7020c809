"""Digest of the code that a process has imported."""

from __future__ import annotations

import importlib
import sys

from padiff_worker.code_digest import code_digest


def test_it_changes_with_a_file_and_with_what_is_imported(tmp_path, monkeypatch):
    (tmp_path / "digested_code.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = code_digest()
    assert code_digest() == before
    importlib.import_module("digested_code")
    imported = code_digest()
    (tmp_path / "digested_code.py").write_text("A = 10\n")
    assert len({before, imported, code_digest()}) == 3
    del sys.modules["digested_code"]
    assert code_digest() == before
