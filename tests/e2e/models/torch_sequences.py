"""Recurrent layers over sequences of several lengths, packed; `paddle_sequences` has the port."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Tagger(nn.Module):
    """Words to tags, and the last states to a class.

    Args:
        twice: a second recurrent layer takes what the first returns, packed.
        states: the class is returned, too.
        masks: nothing is packed, and what lies behind the ends is set to zero in the end.
        fault: the lengths are "shorter" or "longer" by one, or the sequences lie in another "order".
    """

    def __init__(
        self,
        kind: str = "LSTM",
        layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = True,
        twice: bool = False,
        states: bool = True,
        masks: bool = False,
        fault: str = "",
    ) -> None:
        super().__init__()
        self.batch_first, self.states, self.masks, self.fault = batch_first, states, masks, fault
        rnn, ways = getattr(nn, kind), 2 if bidirectional else 1
        options = {"num_layers": layers, "bidirectional": bidirectional, "batch_first": batch_first}
        self.words = nn.Embedding(11, 5)
        self.rnn = rnn(5, 6, **options)
        self.second = rnn(6 * ways, 4, **options) if twice else None
        width = (4 if twice else 6) * ways
        self.tags = nn.Linear(width, 3)
        self.classes = nn.Linear(width * layers, 2)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> Any:
        if self.fault in ("shorter", "longer"):
            lengths = (lengths + (1 if self.fault == "longer" else -1)).clamp(1, ids.shape[1])
        x = self.words(ids)
        if self.fault == "order":
            x = torch.cat([x[1:2], x[:1], x[2:]])
        steps, is_within = x.shape[1], torch.arange(x.shape[1]) < lengths[:, None]
        x = x if self.batch_first else x.transpose(0, 1)
        if not self.masks:
            x = pack_padded_sequence(x, lengths, batch_first=self.batch_first, enforce_sorted=False)
        x, state = self.rnn(x)
        if self.second is not None:
            x, state = self.second(x)
        if not self.masks:
            x, _ = pad_packed_sequence(x, batch_first=self.batch_first, total_length=steps)
        x = x if self.batch_first else x.transpose(0, 1)
        x = torch.where(is_within[..., None], x, 0.0) if self.masks else x
        state = state[0] if isinstance(state, tuple) else state
        tags = self.tags(x)
        return (tags, self.classes(state.transpose(0, 1).flatten(1))) if self.states else tags
