"""What a reader is told to change is what the candidate's framework takes."""

from __future__ import annotations

import pytest

from padiff_client.frameworks import FRAMEWORKS


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("momentum", "0.1", "momentum=0.9 (the share of the old value)"),
        ("momentum", "None", ""),
        ("count_include_pad", "True", "exclusive=False"),
        ("count_include_pad", "False", "exclusive=True"),
        ("batch_first", "True", "time_major=False"),
        ("approximate", "'none'", "approximate=False"),
        ("approximate", "tanh", "approximate=True"),
        ("epsilon", "1e-05", ""),
    ],
)
def test_paddle_has_words_of_its_own(name: str, value: str, expected: str) -> None:
    assert FRAMEWORKS["paddle"].spelled(name, value) == expected


@pytest.mark.parametrize("name", ["momentum", "count_include_pad", "batch_first", "approximate"])
def test_torchs_words_are_the_common_ones(name: str) -> None:
    assert FRAMEWORKS["torch"].spelled(name, "True") == ""
