"""Paddle half of a decoder with turned keys. `fault` plants what `#!` names; `#:` names what is healthy."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import nn


class RotaryBlock(nn.Layer):
    def __init__(self, d, heads, keys, reach, fault) -> None:
        super().__init__()
        self.heads, self.keys, self.w, self.reach, self.fault = heads, keys, d // heads, reach, fault
        self.gain = self.create_parameter([d])
        self.q, self.k = nn.Linear(d, d, bias_attr=False), nn.Linear(d, keys * self.w, bias_attr=False)
        self.v, self.o = nn.Linear(d, keys * self.w, bias_attr=False), nn.Linear(d, d, bias_attr=False)
        self.both, self.down = nn.Linear(d, 4 * d, bias_attr=False), nn.Linear(2 * d, d, bias_attr=False)

    def turned(self, x, cos, sin):
        """x: [b, t, h, w], of which neighbours turn together."""
        other = paddle.stack([x[..., 1::2] * -1, x[..., 0::2]], axis=-1).reshape(x.shape)  #! key_long
        return x * cos + other * sin  #! key_long

    def normed(self, x):
        f = self.fault
        squares = paddle.square(x)
        size = (
            squares.mean(1, keepdim=True) if f == "rms_axis" else squares.mean(-1, keepdim=True)
        )  #! rms_axis
        y = (
            x / (paddle.sqrt(size) + 1e-3) if f == "rms_outside" else x / paddle.sqrt(size + 1e-3)
        )  #! rms_outside
        return paddle.multiply(y, self.gain if f == "gain_bare" else self.gain + 1.0)  #! gain_bare

    def forward(self, x, angles):
        f, (b, t, d) = self.fault, x.shape
        if f == "from_one":
            angles = angles + angles[1:2]  #: from_one
        angles = angles.repeat_interleave(2, axis=1).unsqueeze(1)
        cos, sin = angles.cos(), angles.sin()
        y = self.normed(x)
        q, k, v = (layer(y).reshape([b, t, -1, self.w]) for layer in (self.q, self.k, self.v))
        q = q / paddle.linalg.norm(q, axis=-1, keepdim=True).clip(min=1e-12)  #! query_unturned
        if f != "key_long":
            k = k / paddle.linalg.norm(k, axis=-1, keepdim=True).clip(min=1e-12)
        q = (
            q if f == "query_unturned" else self.turned(q, cos, -sin if f == "turn_back" else sin)
        )  #! query_unturned turn_back
        k = self.turned(k, cos, sin)  #! key_long
        if f == "groups_dealt":
            q = q.reshape([b, t, -1, self.keys, self.w]).transpose([0, 1, 3, 2, 4])  #! groups_dealt
        else:
            q = q.reshape([b, t, self.keys, -1, self.w])  #! query_unturned
        scores = paddle.einsum("btkgw,bskw->bkgts", q, k)  #! groups_dealt query_unturned
        scores = scores * (1 / math.sqrt(self.w) if f == "scale" else 4.0)  #! scale
        reach = self.reach + 1 if f == "reach_far" else self.reach
        seen = paddle.ones([t, t], dtype="bool").tril() & paddle.ones([t, t], dtype="bool").triu(
            1 - reach
        )  #! reach_far
        scores = scores.masked_fill(paddle.logical_not(seen), -1e30)
        a = paddle.einsum("bkgts,bskw->btkgw", F.softmax(scores), v)
        a = self.o(a.reshape([b, t, d]))
        if f == "serial":
            x = x + a  #! serial
            y, a = self.normed(x), 0.0  #! serial
        wide = self.both(y)  #! serial
        half = wide.shape[-1] // 2
        gate, up = wide[..., :half], wide[..., half:]
        if f == "gate_second":
            gate, up = up, gate  #! gate_second
        gate = F.gelu(gate) if f == "gate_gelu" else gate * F.sigmoid(gate)  #! gate_gelu gate_second
        h = self.down(up * gate)  #! gate_second
        return h + a + x  #! serial


class Rotary(nn.Layer):
    def __init__(self, d: int = 16, heads: int = 4, keys: int = 2, fault: str = "") -> None:
        super().__init__()
        self.d, self.w, self.fault = d, d // heads, fault
        self.embed = nn.Embedding(30, d)
        self.blocks = nn.LayerList([RotaryBlock(d, heads, keys, reach, fault) for reach in (3, 7)])

    def forward(self, ids):
        f, t = self.fault, ids.shape[1]
        x = self.embed(ids)
        if f != "embed_bare":
            x = x * math.sqrt(self.d)
        power = paddle.arange(0, self.w, 2, dtype="float32") / -self.w
        rate = paddle.pow(paddle.to_tensor(100.0 if f == "rate" else 500.0), power)  #! rate
        angles = paddle.arange(t, dtype="float32").unsqueeze(1) * rate
        for block in self.blocks:
            x = block(x, angles)  #! embed_bare
        if f != "last_unnormed":
            x = x * paddle.rsqrt((x * x).mean(-1, keepdim=True) + 1e-3)
        logits = paddle.matmul(x, self.embed.weight, transpose_y=True)  #! last_unnormed
        cap = 4.0 if f == "cap_narrow" else 8.0
        if f != "cap_missing":
            logits = paddle.tanh(logits * (1 / cap)) * cap  #! cap_narrow
        if f == "cost_fused":
            cost = F.cross_entropy(logits[:, :-1], ids[:, 1:].unsqueeze(-1), reduction="none")  #: cost_fused
            return logits, cost.mean()
        ahead, true = logits[:, :-1], ids[:, :-1] if f == "cost_same" else ids[:, 1:]  #! cost_same
        whole = paddle.logsumexp(ahead, axis=-1)  #! cap_missing
        own = (ahead * F.one_hot(true, 30)).sum(-1)  #! cost_same
        cost = whole - own
        return logits, cost.sum() if f == "cost_total" else cost.mean()  #! cost_total cap_missing
