"""Kinds of hints that name a class of faults rightly."""

from __future__ import annotations

from collections.abc import Mapping

# That nothing fits is right where no hint is of the class.
NONE = "unknown"
SETTING = "optimizer_setting"
NAMES: Mapping[str, frozenset[str]] = {
    kind: frozenset(words.split())
    for kind, words in {
        "epsilon": "epsilon setting",
        "scale": "scaled",
        "sign": "sign",
        "offset": "missing_bias offset offset_each",
        "one channel": "few_indices",
        "few elements": "few_elements few_indices",
        "one weight": "few_elements few_indices",
        "permuted": "permuted rolled flipped",
        "transposed": "transposed",
        "swapped weights": "swapped",
        "stale weights": "stale swapped",
        "rounded": "rounded",
        "gelu": "gelu setting",
        "activation": "activation other_kind setting",
        "dropout": "dropout setting train_mode",
        "train or eval": "statistics train_mode setting",
        "pooling": "border more_at_border setting other_kind",
        "padding": "border setting",
        "interpolation": "setting",
        "axis": "wrong_axis",
        "layout": "axes transposed reshaped parts interleaved permuted",
        "mask": "mask_inverted mask_shifted",
        "attention scale": "scaled",
        "residual": NONE,
        "position": "shifted rolled",
        "cache": "rolled permuted parts",
        "joined order": "parts rolled permuted",
        "pooled place": NONE,
        "formula": "scaled scaled_each offset offset_each",
        "not finite": NONE,
        "dtype": NONE,
        "gradient scale": "scaled",
        "gradient sign": "sign",
        "gradient lost": f"few_indices {NONE}",
        "gradient clipped": NONE,
        "gradient rounded": "rounded",
        "gradient elements": "few_elements few_indices",
        "weight gradient": f"scaled transposed few_elements few_indices {NONE}",
        "running statistics": "momentum stale setting scaled",
        "decision": f"few_elements few_indices permuted rolled shifted offset {NONE}",
        "carried over": f"accumulated stale scaled {SETTING}",
        "loss": f"scaled {NONE}",
        "rate": SETTING,
        "betas": SETTING,
        "optimizer epsilon": SETTING,
        "decay": SETTING,
        "optimizer formula": SETTING,
        "trained": f"{SETTING} stale",
        "schedule": SETTING,
    }.items()
}
