"""Paddle halves of models whose sides hold the same values in other places; `fault` plants one."""

import paddle
import paddle.nn.functional as F
from paddle import nn


class Unrolled(nn.Layer):
    def __init__(self, kind, fault=""):
        super().__init__()
        self.cell, self.has_memory = getattr(nn, kind)(4, 5), kind == "LSTMCell"
        self.fault = fault

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)[1]
            if self.fault == "swapped":
                state = state[1], state[0]
        return state[0] if self.has_memory else state


class TiedHead(nn.Layer):
    """The head is a product with the embedding's table, not a layer."""

    def __init__(self, fault=""):
        super().__init__()
        self.emb, self.fc, self.fault = nn.Embedding(7, 4), nn.Linear(4, 4), fault

    def forward(self, ids):
        hidden = F.gelu(self.fc(self.emb(ids)))
        table = self.emb.weight
        if self.fault == "wrong table":
            table = paddle.flip(table, [0])
        logits = paddle.matmul(hidden, table, transpose_y=True)
        return logits * 0.5 if self.fault == "scaled" else logits


class LooseHead(nn.Layer):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(7, 4)

    def forward(self, ids):
        return paddle.matmul(self.emb(ids), self.emb.weight, transpose_y=True)


class LinearAct(nn.Linear):
    def __init__(self, inputs, outputs, act):
        super().__init__(inputs, outputs)
        self.apply_act = getattr(F, act)

    def forward(self, x):
        return self.apply_act(super().forward(x))


class Normed(nn.Layer):
    """The layers apply the activation themselves."""

    def __init__(self, act="relu", fault=""):
        super().__init__()
        wrong = {fault: "sigmoid"} if fault else {}
        self.conv1, self.bn1 = nn.Conv2D(3, 4, 1), nn.BatchNorm(4, act=wrong.get("bn1", act))
        self.conv2, self.bn2 = nn.Conv2D(4, 5, 1), nn.BatchNorm(5, act=wrong.get("bn2", act))
        self.fc, self.out = LinearAct(5, 6, wrong.get("fc", act)), nn.Linear(6, 2)

    def forward(self, x):
        x = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return self.out(self.fc(x.transpose([0, 2, 3, 1])))


def turned(x):
    return x.transpose([1, 0, 2])


class Mixed(nn.Layer):
    """Time first between the layers, unless the layout is another."""

    def __init__(self, layout="time first", fault=""):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)
        self.layout, self.fault = layout, fault

    def forward(self, x):
        b, t, _ = x.shape
        if self.layout == "flat":
            y = self.a(x.reshape([b * t, 4])).reshape([b, t, 4])
            return self.b(paddle.tanh(y.cumsum(1)).reshape([b * t, 4])).reshape([b, t, 2])
        y = self.a(turned(x))
        y = self.b(paddle.tanh(y.cumsum(1 if self.fault == "axis" else 0)))
        if self.fault == "scale":
            y = y * 0.5
        return y if self.fault == "not turned back" else turned(y)


class Encoder(nn.Layer):
    def __init__(self, layers=3, fault=-1):
        super().__init__()
        self.blocks = nn.LayerList([Mixed4(i == fault) for i in range(layers)])

    def forward(self, x):
        x = turned(x)
        for block in self.blocks:
            x = block(x)
        return turned(x)


class Mixed4(nn.Layer):
    def __init__(self, wrong):
        super().__init__()
        self.a, self.b, self.wrong = nn.Linear(4, 4), nn.Linear(4, 4), wrong

    def forward(self, x):
        y = self.b(paddle.tanh(self.a(x).cumsum(0)))
        return x + (y * 1.1 if self.wrong else y)


class Channels(nn.Layer):
    """Channels last inside."""

    def __init__(self, fault=""):
        super().__init__()
        self.conv1 = nn.Conv2D(3, 4, 3, data_format="NHWC")
        self.conv2, self.fc = nn.Conv2D(4, 5, 3, data_format="NHWC"), nn.Linear(5 * 2 * 3, 2)
        self.fault = fault

    def forward(self, x):
        x = self.conv2(F.relu(self.conv1(x.transpose([0, 2, 3, 1]))))
        if self.fault != "flattened as it is":
            x = x.transpose([0, 3, 1, 2])
        return self.fc(x.flatten(1))


class Heads(nn.Layer):
    """Batch and heads in one axis."""

    def __init__(self, fault=""):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))
        self.softmax, self.fault = nn.Softmax(-1), fault

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (
            f(x).reshape([b, t, 2, 4]).transpose([0, 2, 1, 3]).reshape([b * 2, t, 4])
            for f in (self.q, self.k, self.v)
        )
        scores = paddle.matmul(q, k, transpose_y=True)
        if self.fault == "scores turned":
            scores = scores.transpose([0, 2, 1])
        weights = self.softmax(scores / 2)
        return self.o((weights @ v).reshape([b, 2, t, 4]).transpose([0, 2, 1, 3]).reshape([b, t, d]))


class Branches(nn.Layer):
    """The inner layer returns them in another order."""

    def __init__(self, fault=""):
        super().__init__()
        self.fork, self.out, self.fault = Fork(), nn.Linear(4, 2), fault

    def forward(self, x):
        second, first = self.fork(x)
        if self.fault:
            first, second = second, first
        return self.out(first - paddle.tanh(second))


class Fork(nn.Layer):
    def __init__(self):
        super().__init__()
        self.scale = self.create_parameter([4])
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return x * self.scale, self.fc(x)


class Pooled(nn.Layer):
    def __init__(self, act="relu", epsilon=1e-5):
        super().__init__()
        self.conv, self.fc = nn.Conv2D(3, 4, 1), nn.Linear(4, 2)
        self.bn = nn.BatchNorm(4, act=act, epsilon=epsilon)
        self.pool = nn.AdaptiveAvgPool2D(1)

    def forward(self, x):
        return self.fc(self.pool(self.bn(self.conv(x))).flatten(1))


class Gated(nn.Layer):
    def __init__(self):
        super().__init__()
        self.fc, self.bn = nn.Linear(3, 4), nn.BatchNorm(4, act="relu")
        self.upper, self.lower = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        made = self.bn(self.fc(x))
        return self.upper(made) if x[0, 0] > 0 else self.lower(made)


class ThreeInputs(nn.Layer):
    """Takes the same three under other names, the mask last."""

    def __init__(self, fault=""):
        super().__init__()
        self.fault = fault
        self.words, self.types, self.out = nn.Embedding(11, 8), nn.Embedding(11, 8), nn.Linear(8, 3)

    def forward(self, tokens, kinds, keep):
        if self.fault == "swapped":
            tokens, kinds = kinds, tokens
        return self.out((self.words(tokens) + self.types(kinds)) * keep.unsqueeze(-1).astype("float32"))
