"""Paddle halves of models whose sides hold a tensor once and repeated; `fault` plants one."""

import paddle
import paddle.nn.functional as F
from paddle import nn


def sgd(model):
    return paddle.optimizer.SGD(0.1, parameters=model.parameters())


class Positions(nn.Layer):
    """Positions of one row, or of each row of the batch (`repeated`), or without a batch axis (`flat`)."""

    def __init__(self, form="once", fault=""):
        super().__init__()
        self.words, self.table = nn.Embedding(9, 4), nn.Embedding(7, 4)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 3)
        self.form, self.fault = form, fault

    def forward(self, ids):
        batch, length = ids.shape
        places = paddle.arange(length)
        if self.form != "flat":
            places = paddle.tile(places, [batch if self.form == "repeated" else 1, 1])
        if self.fault == "row":
            places[1] = places[1].flip(0)
        found = self.table(places)
        if self.fault == "gradient":
            found = found.detach() + (found - found.detach()) / batch
        return self.head(self.norm(self.words(ids) + found))


class Scores(nn.Layer):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(4, 4)

    def forward(self, x, mask):
        scores = self.q(x) @ x.transpose([0, 2, 1])
        return F.softmax(scores.unsqueeze(1) + mask, axis=-1)[:, 0] @ x


class Masked(nn.Layer):
    """A bias for each key, or for each query and key (`repeated`), which is learned."""

    def __init__(self, form="once", fault=""):
        super().__init__()
        self.fc, self.bias, self.attend = nn.Linear(4, 4), nn.Linear(4, 1, bias_attr=False), Scores()
        self.form, self.fault = form, fault

    def forward(self, x):
        mask = self.bias(x).unsqueeze(1).transpose([0, 1, 3, 2])
        if self.form == "repeated":
            mask = paddle.tile(mask, [1, 1, x.shape[1], 1])
        if self.fault == "row":
            mask = mask * paddle.to_tensor([1.0, 1.0, 2.0]).reshape([1, 1, 3, 1])
        if self.fault == "gradient":
            mask = mask.detach() + (mask - mask.detach()) / 3
        return self.attend(self.fc(x), mask)
