"""Paddle halves of glue between layers: sequences. `fault` plants what the line's name after `#!` says."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle_gradients import Scaled


class Encoder(nn.Layer):
    def __init__(self, d: int = 16, heads: int = 2, fault: str = "") -> None:
        super().__init__()
        self.heads, self.fault = heads, fault
        self.embed = nn.Embedding(30, d, padding_idx=0)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.up, self.down, self.head = nn.Linear(d, 2 * d), nn.Linear(2 * d, d), nn.Linear(d, 5)

    def forward(self, ids):
        f, (b, t) = self.fault, ids.shape
        x = self.embed(ids)
        d = x.shape[-1]
        x = paddle.scale(x, 1.0 if f == "embed_scale" else d**0.5)  #! embed_scale
        x = x.detach() if f == "back_embed" else x  #! back_embed
        place = paddle.arange(t, dtype="float32") + (1.0 if f == "place_from_one" else 0.0)  #! place_from_one
        power = paddle.arange(0, d, 2, dtype="float32") / d
        rate = 1.0 / paddle.pow(paddle.full([1], 1000.0 if f == "base" else 10000.0), power)  #! base
        angles = paddle.outer(place, rate)
        pair = [paddle.sin(angles), paddle.cos(angles)]
        if f == "waves_swapped":
            pair = pair[::-1]
        waves = (
            paddle.concat(pair, -1) if f == "waves_apart" else paddle.stack(pair, -1)
        )  #! waves_apart waves_swapped
        waves = waves.reshape([t, d])  #! waves_apart
        if f != "waves_missing":
            x = waves.unsqueeze(0) + x
        keep = (ids > (1 if f == "keep_shifted" else 0)).astype("float32")  #! keep_shifted
        bias = (1.0 - keep) * -1e9
        shape = [b, t, d // self.heads, self.heads] if f == "heads" else [b, t, self.heads, d // self.heads]
        q = self.q(x).reshape(shape)  #! heads waves_missing
        k = self.k(x).reshape([b, t, self.heads, d // self.heads])
        v = self.v(x).reshape([b, t, self.heads, d // self.heads])
        if f == "heads":
            q = q.transpose([0, 1, 3, 2])  #! heads
        if f == "back_values":
            v.register_hook(lambda gradient: gradient * 2)  #! back_values
        scores = paddle.einsum("bqhw,bkhw->bhqk", q, k)
        scores = scores * (d // self.heads) ** (-1.0 if f == "scale" else -0.5)  #! scale
        bias = bias.reshape([b, 1, t, 1] if f == "mask_queries" else [b, 1, 1, t])  #! mask_queries
        scores = scores + bias  #! mask_queries
        with paddle.set_grad_enabled(f != "back_weights"):
            weights = F.softmax(scores, axis=2 if f == "axis" else 3)  #! axis back_weights
        a = paddle.einsum("bhqk,bkhw->bqhw", weights, v).flatten(2)
        h = self.o(a)
        if f != "residual_missing":
            h = (x.detach() if f == "back_residual" else x) + h  #! back_residual
        h = h + x if f == "residual_twice" else h  #! residual_twice
        x = self.n1(h)  #! residual_missing residual_twice
        up = self.up(x)
        up = F.relu(up) if f == "gelu" else 0.5 * up * (1.0 + paddle.erf(up / math.sqrt(2.0)))  #! gelu
        h = self.down(up)
        x = self.n2(paddle.add(h, x))
        weight = keep.unsqueeze(-1)
        total = paddle.sum(paddle.multiply(x, weight), axis=1)
        mean = x.mean(1) if f == "mean_of_all" else total / weight.sum(1)  #! mean_of_all
        return self.head(mean if f == "tanh_missing" else paddle.tanh(mean))  #! tanh_missing


class Decoder(nn.Layer):
    def __init__(self, d: int = 16, heads: int = 2, fault: str = "") -> None:
        super().__init__()
        self.heads, self.fault = heads, fault
        self.embed, self.places = nn.Embedding(30, d), nn.Embedding(16, d)
        self.qkv, self.o = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.gate, self.up, self.down = (nn.Linear(d, d) for _ in range(3))
        self.head = nn.Linear(d, 30, bias_attr=False)

    def rms(self, x):
        squares = paddle.square(x)
        size = (
            squares.sum(-1, keepdim=True) if self.fault == "rms_sum" else squares.mean(-1, keepdim=True)
        )  #! rms_sum
        size = size.detach() if self.fault == "back_rms" else size  #! back_rms
        return x / paddle.sqrt(size + (1e-2 if self.fault == "rms_epsilon" else 1e-5))  #! rms_epsilon

    def run(self, ids, old):
        f, (b, t) = self.fault, ids.shape
        seen = 0 if old is None else old[0].shape[1]
        first = 0 if f == "places_restart" else seen
        places = paddle.arange(first, first + t)  #! places_restart
        x = self.places(places) + self.embed(ids)
        y = x if f == "norm_missing" else self.rms(x)
        parts = self.qkv(y).reshape([b, t, 3, self.heads, -1])  #! norm_missing
        q, k, v = (
            parts[:, :, 0],
            parts[:, :, 1],
            parts[:, :, 1 if f == "key_for_value" else 2],
        )  #! key_for_value
        if old is not None:
            k = paddle.concat([k, old[0]] if f == "cache_order" else [old[0], k], axis=1)  #! cache_order
            v = paddle.concat([old[0 if f == "cache_of_keys" else 1], v], axis=1)  #! cache_of_keys
        q, keys, values = (one.transpose([0, 2, 1, 3]) for one in (q, k, v))
        q = q * (1.0 if f == "scale" else q.shape[-1] ** -0.5)  #! scale
        scores = paddle.matmul(q, keys, transpose_y=True)
        first = 2 if f == "diagonal" else 1
        later = paddle.triu(paddle.ones([t, k.shape[1]]), first + seen)  #! diagonal
        scores = paddle.where(later > 0, paddle.full([1], -1e9), scores)
        a = paddle.matmul(F.softmax(scores), values).transpose([0, 2, 1, 3]).reshape([b, t, -1])
        x = self.o(a) + (y if f == "residual_of_norm" else x)  #! residual_of_norm
        y = self.rms(x)
        g = self.gate(y)
        g = F.sigmoid(g) if f == "gate_sigmoid" else F.silu(g)  #! gate_sigmoid
        g = Scaled.apply(g, 0.5) if f == "back_gated" else g  #! back_gated
        wide = g + self.up(y) if f == "gate_added" else self.up(y) * g  #! gate_added
        x = self.down(wide) + x
        return x, (k.detach() if f == "back_cache" else k, v)  #! back_cache

    def forward(self, ids):
        x, cache = self.run(ids[:, :-1], None)
        y, _ = self.run(ids[:, -1:], cache)
        both = paddle.concat([y, x] if self.fault == "last_first" else [x, y], axis=1)  #! last_first
        out = self.head(self.rms(both))
        return out * (1.0 if self.fault == "logits" else 0.5)  #! logits


class Gru(nn.Layer):
    def __init__(self, d: int = 6, h: int = 8, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.inner, self.outer = nn.Linear(d, 3 * h), nn.Linear(h, 3 * h)
        self.start, self.head = self.create_parameter([h]), nn.Linear(2 * h, 3)

    def walk(self, x):
        f, b = self.fault, x.shape[0]
        h = paddle.tile(self.start.unsqueeze(0), [b, 1])
        h = paddle.zeros_like(h) if f == "start_zero" else h  #! start_zero
        made = []
        for i in range(x.shape[1]):
            given, own = self.inner(x[:, i]), self.outer(h)
            width = h.shape[-1]
            order = (1, 0, 2) if f == "gates_order" else (0, 1, 2)
            r, z, n = (given[:, j * width : (j + 1) * width] for j in order)  #! gates_order
            hr, hz, hn = paddle.split(own, 3, axis=-1)
            r = paddle.tanh(r + hr) if f == "reset_tanh" else F.sigmoid(hr + r)  #! reset_tanh
            z = F.sigmoid(z if f == "update_own" else paddle.add(z, hz))  #! update_own
            kept = (
                hn if f == "reset_missing" else (r.detach() if f == "back_reset" else r) * hn
            )  #! back_reset
            n = F.relu(n + kept) if f == "new_relu" else paddle.tanh(n + kept)  #! new_relu reset_missing
            h = h.detach() if f == "back_through_time" else h  #! back_through_time
            h = n + z * (h - n) if f != "update_swapped" else h + z * (n - h)  #! update_swapped
            made.append(h)
        if f == "made_twice":
            made[-1] = made[-2]
        return paddle.concat([one.unsqueeze(1) for one in made], axis=1)  #! made_twice

    def forward(self, x):
        f = self.fault
        there = self.walk(x)
        turned = paddle.flip(x, [2 if f == "flip_features" else 1])  #! flip_features
        back = self.walk(turned)
        back = paddle.flip(back, [1])
        both = paddle.concat([back, there] if f == "both_order" else [there, back], axis=-1)  #! both_order
        pooled = both[:, -1] if f == "pool_last" else both.max(1)  #! pool_last
        return self.head(pooled * (1.0 if f == "half" else 0.5))  #! half
