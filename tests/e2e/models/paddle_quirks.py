"""Models that their frameworks treat in ways of their own; `torch_quirks.py` holds the same."""

import paddle
from paddle import nn


class Recurrent(nn.Layer):
    """The frameworks' own recurrent layer between an embedding and a head."""

    def __init__(self, kind="LSTM", factor=1.0, gradient=1.0, **settings):
        super().__init__()
        self.embed = nn.Embedding(9, 6)
        kind = {"RNN": "SimpleRNN"}.get(kind, kind)
        self.rnn = getattr(nn, kind)(6, 8, **settings)
        self.head = nn.Linear(8, 3)
        self.factor, self.gradient = factor, gradient

    def forward(self, ids):
        out = self.rnn(self.embed(ids))[0] * self.factor
        return self.head(out * self.gradient - out.detach() * (self.gradient - 1))


def sgd(model):
    return paddle.optimizer.SGD(0.1, parameters=model.parameters())
