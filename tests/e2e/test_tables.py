"""Embedding tables: each row of their gradients counts, however many others agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff
from padiff_rpc.v1.words import Phase

Compare = Callable[..., Report]
Settings = dict[str, Any]

# 500 numbers once each; most of the table's rows have a gradient.
IDS = np.random.default_rng(0).permutation(np.arange(500)).reshape(10, 50)
OFTEN = np.concatenate([IDS, np.full((1, 50), 7)])


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(
        torch: Optional[Settings] = None,
        paddle: Optional[Settings] = None,
        *,
        ids: np.ndarray = IDS,
        train: bool = False,
        **options: Any,
    ) -> Report:
        layer = ModelSpec(
            "paddle", "paddle_tables:Table", kwargs=paddle or {}, worker=service.paddle, train=train
        )
        module = ModelSpec(
            "torch", "torch_tables:Table", kwargs=torch or {}, worker=service.torch, train=train
        )
        batches = (Batch(args=(ids,)),)
        return auto_diff(layer, module, (batches, batches), server=service.server, options=Options(**options))

    return run


@pytest.mark.parametrize(
    ("torch", "paddle", "row"),
    [
        ({"pad": 3}, {}, 3),
        ({"pad": 3, "how": "functional"}, {"how": "functional"}, 3),
        ({"pad": 3, "how": "functional"}, {}, 3),
        ({"pad": 3, "how": "own"}, {"how": "own"}, 3),
        ({"pad": 3, "how": "bag"}, {"how": "bag"}, 3),
        ({"pad": 3, "sparse": True}, {"sparse": True}, 3),
        # Paddle's sparse gradient has the padding's row all the same.
        ({"pad": 3, "sparse": True}, {"pad": 3, "sparse": True}, 3),
        ({"pad": 3, "tied": True}, {"tied": True}, 3),
        ({"by_frequency": True}, {}, 7),
    ],
    ids=str,
)
def test_a_row_that_one_side_cuts_off_fails(
    compare: Compare, torch: Settings, paddle: Settings, row: int
) -> None:
    report = compare(torch, paddle, ids=OFTEN if row == 7 else IDS)
    first = report.first_divergence
    assert first is not None, str(report)
    assert first.phase is Phase.GRADIENTS
    assert first.figures is not None
    assert first.figures.worst_row is not None
    assert first.figures.worst_row.index == row
    text = str(report)
    assert f"{row}: reference " in text
    assert "of each row" in text


def test_a_row_that_the_code_behind_the_table_scales_fails_there(compare: Compare) -> None:
    first = compare({}, {"scaled": 3}, ids=IDS).first_divergence
    assert first is not None
    assert (first.phase, first.path) == (Phase.BACKWARD, "")
    assert first.row.between == "between embed#0 and positions#0"


@pytest.mark.parametrize(
    ("torch", "paddle"),
    [
        ({"pad": 3}, {"pad": 3}),
        ({"how": "functional"}, {}),
        ({"how": "own"}, {"how": "own"}),
        ({"how": "bag"}, {"how": "bag"}),
        ({"sparse": True}, {"sparse": True}),
        ({"tied": True}, {"tied": True}),
    ],
    ids=str,
)
def test_healthy_tables_pass(compare: Compare, torch: Settings, paddle: Settings) -> None:
    """Positions are looked up as well: half of their rows are not used."""
    for settings in ({"train": False}, {"train": True}, {"train": True, "single_step": True}):
        report = compare(torch, paddle, ids=OFTEN, **settings)
        assert str(report).startswith("PASS: the models agree\n"), f"{settings}\n{report}"
