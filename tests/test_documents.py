"""Documents: prose of 100 columns, and guides that quote what is really there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from padiff_rpc.v1.words import HintKind

ROOT = Path(__file__).resolve().parent.parent
PAGES = tuple(
    page.relative_to(ROOT).as_posix()
    for folder, pattern in ((ROOT, "*.md"), (ROOT / "docs", "**/*.md"), (ROOT / "examples", "*.md"))
    for page in sorted(folder.glob(pattern))
)
GUIDES = ("docs/first-port.md", "docs/zh/first-port.md")
IN_BOTH_LANGUAGES = (("README.md", "README.zh.md"), GUIDES)
COLUMNS = 100


def columns(text: str) -> int:
    """Returns how many columns of a terminal a line takes; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def blocks(page: str, language: str) -> list[str]:
    """Returns the blocks of code of one language; that of commands has no name."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def without_comments(block: str) -> str:
    """Returns a block of code without what is said in one language."""
    return re.sub(r" *# .*", "", block)


@pytest.mark.parametrize("page", PAGES)
def test_prose_is_no_wider_than_100_columns(page: str) -> None:
    prose = re.sub(r"^( *)```.*?^\1```$", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    wide = [line for line in prose.splitlines() if columns(line) > COLUMNS]
    # Tables, code that is set in, and a picture's line cannot be broken.
    assert not [line for line in wide if not line.startswith(("|", "    ", "!["))]


@pytest.mark.parametrize("guide", GUIDES)
def test_the_first_guide_quotes_the_files_of_its_example(guide: str) -> None:
    folder = ROOT / "examples" / "first_port"
    sources = [(folder / name).read_text() for name in ("torch_model.py", "paddle_model.py")]
    *shown, mended = blocks(guide, "python")
    assert [block in source for block, source in zip(shown, sources)] == [True, True]
    assert mended.partition("=")[0] in sources[1]
    (spec,) = blocks(guide, "yaml")
    assert spec in (folder / "compare.yaml").read_text()


@pytest.mark.parametrize(("english", "chinese"), IN_BOTH_LANGUAGES)
def test_both_languages_show_the_same_commands_and_outputs(english: str, chinese: str) -> None:
    for language in ("", "text", "python", "yaml"):
        first, second = (
            [without_comments(one) for one in blocks(page, language)] for page in (english, chinese)
        )
        assert first == second


@pytest.mark.parametrize(("english", "chinese"), IN_BOTH_LANGUAGES)
def test_the_two_languages_lead_to_each_other(english: str, chinese: str) -> None:
    for page, other in ((english, chinese), (chinese, english)):
        links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
        assert (ROOT / other).resolve() in [(ROOT / page).parent.joinpath(link).resolve() for link in links]


def test_the_reference_is_that_of_the_parsers_and_records(tmp_path: Path) -> None:
    made = [sys.executable, str(ROOT / "tools" / "generate_reference.py"), str(tmp_path)]
    subprocess.run(made, check=True)
    for name in ("commands.md", "options.md"):
        assert (ROOT / "docs" / name).read_text() == (tmp_path / name).read_text(), "run `make schemas`"


def test_the_page_of_the_json_names_every_key() -> None:
    schema = json.loads((ROOT / "client" / "padiff_client" / "schemas" / "report.schema.json").read_text())
    named = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "report.md").read_text()))
    assert set(schema["properties"]) <= named


def test_the_page_of_hints_names_every_kind() -> None:
    named = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "hints.md").read_text()))
    assert {str(kind) for kind in HintKind} <= named
