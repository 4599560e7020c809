"""The input: token ids of three sentences of different lengths, padded."""

from __future__ import annotations

import numpy as np

LENGTHS = (12, 7, 9)


def sentences() -> dict[str, np.ndarray]:
    """Returns the reference's arguments by name, int64 [3, 12] each; 0 is padding."""
    random = np.random.default_rng(0)
    shape = (len(LENGTHS), max(LENGTHS))
    mask = (np.arange(shape[1]) < np.array(LENGTHS)[:, None]).astype(np.int64)
    ids = random.integers(1, 120, shape) * mask
    # The second half of each sentence is its second segment.
    types = (np.arange(shape[1]) >= np.array(LENGTHS)[:, None] // 2) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
