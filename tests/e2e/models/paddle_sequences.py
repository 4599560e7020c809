"""The port of `torch_sequences`: recurrent layers take the sequences as they are, and their lengths."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn


class Worn(nn.LSTM):
    """One whose result is a little too large."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        out, state = super().forward(*args, **kwargs)
        return out * 1.01, state


KINDS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.SimpleRNN}


class Tagger(nn.Layer):
    """See `torch_sequences.Tagger`.

    `fault` may be "none", too: the lengths are told to no layer; or "worn": the first layer is.
    """

    def __init__(
        self,
        kind: str = "LSTM",
        layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = True,
        twice: bool = False,
        states: bool = True,
        fault: str = "",
    ) -> None:
        super().__init__()
        self.batch_first, self.states, self.fault = batch_first, states, fault
        rnn, ways = KINDS[kind], 2 if bidirectional else 1
        direction = "bidirect" if bidirectional else "forward"
        options = {"num_layers": layers, "direction": direction, "time_major": not batch_first}
        self.words = nn.Embedding(11, 5)
        self.rnn = (Worn if fault == "worn" else rnn)(5, 6, **options)
        self.second = rnn(6 * ways, 4, **options) if twice else None
        width = (4 if twice else 6) * ways
        self.tags = nn.Linear(width, 3)
        self.classes = nn.Linear(width * layers, 2)

    def forward(self, ids: paddle.Tensor, lengths: paddle.Tensor) -> Any:
        if self.fault in ("shorter", "longer"):
            lengths = (lengths + (1 if self.fault == "longer" else -1)).clip(1, ids.shape[1])
        x = self.words(ids)
        if self.fault == "order":
            x = paddle.concat([x[1:2], x[:1], x[2:]])
        told = None if self.fault == "none" else lengths
        x = x if self.batch_first else x.transpose([1, 0, 2])
        x, state = self.rnn(x, sequence_length=told)
        if self.second is not None:
            x, state = self.second(x, sequence_length=told)
        x = x if self.batch_first else x.transpose([1, 0, 2])
        state = state[0] if isinstance(state, tuple) else state
        tags = self.tags(x)
        return (tags, self.classes(state.transpose([1, 0, 2]).flatten(1))) if self.states else tags
