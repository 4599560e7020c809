"""Paddle half of a block for speech. `fault` plants what `#!` names; `#:` names what is healthy."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import nn


class Speech(nn.Layer):
    def __init__(self, d: int = 12, heads: int = 2, kernel: int = 3, fault: str = "") -> None:
        super().__init__()
        self.heads, self.kernel, self.fault = heads, kernel, fault
        self.frames = nn.Conv1D(1, d, 8, stride=4)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(d) for _ in range(3))
        self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.place = nn.Linear(d, d, bias_attr=False)
        self.u, self.w = (self.create_parameter([heads, d // heads]) for _ in range(2))
        self.point1, self.point2 = nn.Conv1D(d, 2 * d, 1), nn.Conv1D(d, d, 1)
        self.deep = nn.Conv1D(d, d, kernel, groups=d)
        self.head = nn.Linear(d, 7)

    def waves(self, t, d):
        """Returns the waves of the distances from t - 1 down to -(t - 1)."""
        away = paddle.arange(t - 1, -t, -1, dtype="float32")
        away = away * -1 if self.fault == "away_sign" else away  #! away_sign
        rate = paddle.exp(paddle.arange(0, d, 2, dtype="float32") * (-math.log(10000.0) / d))
        angles = paddle.matmul(away.unsqueeze(1), rate.unsqueeze(0))
        pair = [paddle.sin(angles), paddle.cos(angles)]
        if self.fault == "waves_apart":
            return paddle.concat(pair, axis=1)  #! waves_apart
        return paddle.stack(pair, axis=2).reshape([2 * t - 1, d])

    def attend(self, x, gone):
        f, h, (b, t, d) = self.fault, self.heads, x.shape
        width = d // h
        q, k, v = (layer(x).reshape([b, t, h, width]) for layer in (self.q, self.k, self.v))
        p = self.place(self.waves(t, d)).reshape([2 * t - 1, h, width])
        bias = self.u if f == "biases_alike" else self.w
        content = paddle.einsum("bqhw,bkhw->bhqk", q + self.u, k)
        place = paddle.einsum("bqhw,phw->bhqp", q + bias, p)  #! biases_alike
        if f == "shift_missing":
            place = place[..., :t]  #! shift_missing
        else:
            rows = paddle.arange(t).unsqueeze(1)
            index = paddle.arange(t).unsqueeze(0) - rows + t - (2 if f == "shift_next" else 1)  #! shift_next
            index = index.clip(0, 2 * t - 2)  #! shift_next
            place = paddle.take_along_axis(
                place, index.reshape([1, 1, t, t]).expand([b, h, t, t]), 3
            )  #! shift_next
        if f == "scale_content":
            scores = content / math.sqrt(width) + place  #! scale_content
        else:
            scores = (place + content) * (1.0 / math.sqrt(width))
        scores = scores + gone.astype("float32").unsqueeze([1, 2]) * -1e4
        a = F.softmax(scores, axis=3)
        return self.o(paddle.einsum("bhqk,bkhw->bqhw", a, v).reshape([b, t, d]))

    def gated(self, y):
        f = self.fault
        y = self.point1(y)
        if f == "gate_fused":
            return F.glu(y, axis=1)  #: gate_fused
        value, gate = paddle.chunk(y, 2, axis=1)
        if f == "gate_swapped":
            return F.sigmoid(value) * gate  #! gate_swapped
        gate = paddle.tanh(gate) if f == "gate_tanh" else F.sigmoid(gate)  #! gate_tanh
        return value * gate

    def forward(self, wave, lengths):
        f = self.fault
        if f == "wave_squares":
            mean = wave.mean(1, keepdim=True)
            spread = (wave * wave).mean(1, keepdim=True) - mean * mean  #: wave_squares
        else:
            mean = paddle.mean(wave, axis=1, keepdim=True)
            spread = paddle.var(wave, axis=1, unbiased=f == "wave_unbiased", keepdim=True)  #! wave_unbiased
        wave = wave if f == "wave_centre" else wave.subtract(mean)
        wave = wave * paddle.rsqrt(spread + 1e-7)  #! wave_centre
        x = self.frames(wave.unsqueeze(1)).transpose([0, 2, 1])
        x = F.relu(x) if f == "frames_act" else F.gelu(x)  #! frames_act
        y = self.down(F.swish(self.up(self.norm1(x))))
        x = y + x if f == "half_missing" else y.scale(0.5) + x  #! half_missing
        t = x.shape[1]
        late = paddle.arange(t).unsqueeze(0)
        gone = late > lengths.unsqueeze(1) if f == "mask_late" else late >= lengths.unsqueeze(1)  #! mask_late
        x = x.add(self.attend(self.norm2(x), gone))
        y = self.gated(self.norm3(x).transpose([0, 2, 1]))
        if f == "pad_centred":
            y = F.pad(y, [1, 1], data_format="NCL")  #! pad_centred
        else:
            y = paddle.concat([paddle.zeros([y.shape[0], y.shape[1], self.kernel - 1]), y], axis=2)
        y = self.deep(y)
        y = y if f == "swish_missing" else F.swish(y)
        y = self.point2(y)  #! swish_missing
        x = x + y.transpose([0, 2, 1])
        here = (late < lengths.unsqueeze(1)).astype(x.dtype)
        total = (
            x.sum(axis=1) if f == "pool_padding" else paddle.einsum("btd,bt->bd", x, here)
        )  #! pool_padding
        length = paddle.to_tensor(float(t)) if f == "pool_length" else lengths.astype("float32").unsqueeze(1)
        mean = total / length  #! pool_length
        chances = F.softmax(self.head(mean), axis=-1)  #! soft_plain
        return chances if f == "soft_plain" else chances.log()  #! soft_plain
