from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from padiff_client import cli
from padiff_client.certs import make_certificates
from padiff_client.spec_template import template
from padiff_client.specfile import read_comparison
from padiff_rpc.v1.records import Options

LINES = template("spec.yaml").splitlines()
# In one setting's place, or part of it.
BLOCKS = [
    [number]
    if not LINES[number].startswith(("#options", "#layer_map"))
    else list(range(number, next(n for n in range(number, len(LINES)) if not LINES[n])))
    for number, line in enumerate(LINES)
    if re.match(r" *#\w", line)
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_spec_is_valid_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init"]) == 0
    assert capsys.readouterr().out.startswith("spec.yaml: fill in the lines marked with <-")
    asked = read_comparison("spec.yaml").comparison
    assert (asked.reference.framework, asked.candidate.framework) == ("torch", "paddle")
    assert asked.reference.model == "my_models.torch_net:build"
    assert asked.options == Options()
    assert asked.example_inp is not None
    candidate, _ = asked.example_inp
    assert candidate.kwargs["x"].array.shape == (2, 3, 224, 224)


def test_it_speaks_of_itself_by_its_name() -> None:
    assert cli.main(["init", "mine.yaml"]) == 0
    assert "padiff compare mine.yaml" in Path("mine.yaml").read_text()


def test_a_file_that_exists_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Path("spec.yaml").write_text("mine")
    assert cli.main(["init"]) == 2
    assert "spec.yaml exists and was left as it is" in capsys.readouterr().err
    assert Path("spec.yaml").read_text() == "mine"


@pytest.mark.parametrize("block", BLOCKS, ids=[LINES[block[0]].strip()[:30] for block in BLOCKS])
def test_each_setting_is_valid_without_its_mark(block: list[int]) -> None:
    np.savez("batch.npz", image=np.zeros((2, 3), np.float32))
    Path("my_models").mkdir()
    Path("my_models/batches.py").write_text(
        "import numpy as np\ndef batches():\n    return {'image': np.zeros(3)}\n"
    )
    Path("token").write_text("content")
    make_certificates(".", [], days=2, force=False)
    lines = [line.replace("#", "", 1) if number in block else line for number, line in enumerate(LINES)]
    key = lines[block[0]].strip().partition(":")[0]
    if key in ("file", "function"):
        table = next(number for number, line in enumerate(lines) if line.startswith("  table:"))
        del lines[table : table + 2]
    Path("spec.yaml").write_text("\n".join(lines))
    read_comparison("spec.yaml")
