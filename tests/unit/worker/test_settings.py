import re
from pathlib import Path

import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.settings import WorkerSettings


@pytest.mark.parametrize("field", ["roots", "save_root"])
def test_a_folder_that_is_not_there_is_told_at_the_start(field: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "mistyped")
    with pytest.raises(InvalidRequestError, match=re.escape(f"{missing!r} is no folder on this machine")):
        WorkerSettings(**{field: (missing,) if field == "roots" else missing})


def test_captures_need_some_room() -> None:
    with pytest.raises(InvalidRequestError, match="capture_mib: allowed: a whole number of at least 1"):
        WorkerSettings(capture_bytes=0)
