from pathlib import Path

import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.state_files import save_target, writing

SUFFIXES = (".pt", ".safetensors")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../out.pt", "lies outside the worker's save root"),
        ("/etc/out.pt", "lies outside the worker's save root"),
        ("inner/../../out.pt", "lies outside the worker's save root"),
        ("elsewhere/out.pt", "lies outside the worker's save root"),
        ("linked.pt", "lies outside the worker's save root"),
        (".", "lies outside the worker's save root"),
        ("out.py", "must end in one of .pt, .safetensors"),
        ("missing/out.pt", "does not exist"),
        ("out\0.pt", "is no path"),
    ],
)
def test_a_state_is_saved_in_the_save_root_alone(path: str, reason: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    outside = tmp_path / "outside"
    for folder in (root, root / "inner", outside):
        folder.mkdir()
    (root / "elsewhere").symlink_to(outside)
    (root / "linked.pt").symlink_to(outside / "precious.pt")
    with pytest.raises(InvalidRequestError, match=reason):
        save_target(str(root), path, SUFFIXES)


def test_without_a_save_root_nothing_is_saved() -> None:
    with pytest.raises(InvalidRequestError, match="start it with --save-root"):
        save_target(None, "out.pt", SUFFIXES)


def test_a_save_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    assert save_target(str(tmp_path / "linked"), "out.pt", SUFFIXES) == str(tmp_path / "real" / "out.pt")


def test_what_lies_beside_a_saved_state_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "out.partial.pt").symlink_to(precious)
    with writing(str(tmp_path / "out.pt")) as partial:
        Path(partial).write_text("state")
    assert (tmp_path / "out.pt").read_text() == "state"
    assert precious.read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 3
