"""The NumPy fake's words; its layers are named much as the frameworks' are."""

from __future__ import annotations

import re

from padiff_rpc.v1.words import WeightLayout
from padiff_worker.vocabulary import Vocabulary


def _convert(kind, stated, values):
    if kind == "batch_norm":
        values.update(track_running_stats=True, use_global_stats=False, channels_last=False)
    if kind == "dropout":
        values["mode"] = "upscale_in_train"


VOCABULARY = Vocabulary(
    framework="fake",
    own_classes=re.compile(r"fake\."),
    kinds={"sequential": "container", "batchnorm1d": "batch_norm"},
    convert=_convert,
    linear=WeightLayout.IN_OUT,
)
